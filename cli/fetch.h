#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "levada/v1/pipeline.pb.h"

// What the commands that run stages on this machine do before: files of buckets are fetched.
//
//   absl::Status status = FetchFiles({.folder = ".levada/shop/files", .files_dir = "."},
//   &pipeline);
//
// Threads: one.
namespace levada::cli {

struct FetchOptions {
  std::string folder;
  std::string files_dir;
  std::string secrets_dir;
  std::function<bool()> stopped;
};

// Says on standard error what it fetches. Afterwards the pipeline names what was fetched.
absl::Status FetchFiles(const FetchOptions& options, v1::Pipeline* pipeline);

}  // namespace levada::cli
