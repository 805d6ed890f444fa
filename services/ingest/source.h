#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/runtime/stage.h"

// An ingest stage. What it listens to, reads or makes is in a file of its own:
//
//   http_endpoint, grpc_endpoint   (serve_source)     clients that send events
//   file_source                                       lines of a file
//   schedule_source                                   a generator
//
// The first and the last share intake.h, the way into Kafka that answers for each event; the file
// has a transaction of its own (file_log.h). All share validator.h.
namespace levada::ingest {

// kInvalidArgument: something in the stage's section cannot work.
absl::StatusOr<std::unique_ptr<runtime::Source>> MakeSource(const runtime::StageContext& context);

}  // namespace levada::ingest
