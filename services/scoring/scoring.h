#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/runtime/stage.h"

// The scoring service: a Chain over the stream, and where the manifest says `serve` another one
// behind REST and gRPC.
namespace levada::scoring {

absl::StatusOr<std::unique_ptr<runtime::Processor>> MakeScoring(
    const runtime::StageContext& context);

}  // namespace levada::scoring
