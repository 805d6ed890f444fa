#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/runtime/stage.h"

// The sink of a notify stage: evaluates each event (renderer.h) and hands those that people are to
// hear of to the outbox (outbox.h), which sends them through a Sender (smtp.h, webhook.h).
//
//   levada::runtime::Main(argc, argv, {.name = "notify", .sink = MakeNotifier});
namespace levada::notify {

// InvalidArgument: what the manifest says cannot be done.
absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeNotifier(const runtime::StageContext& context);

}  // namespace levada::notify
