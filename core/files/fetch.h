#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/base/secrets.h"
#include "levada/v1/pipeline.pb.h"

// Files of a pipeline that come from buckets (`spec.files` with `s3`), fetched before a stage
// starts.
//
//   absl::Status status = FetchFiles(pipeline, secrets, {.folder = "files", .files_dir = "."});
//   UseFetched("files", &pipeline);  // from now on it names what was fetched
//
// A file appears in the folder once it is whole and its SHA-256 is right, under its
// pipeline::FetchedName. What is there already is kept where its SHA-256 is that of the manifest,
// or, without one, where the server says that the object is the same. A part that fails is asked
// for again with backoff, and the rest goes on behind it; what waiting cannot mend is told at once.
//
// Threads: one a folder.
namespace levada::files {

struct FetchOptions {
  std::string folder;                               // made where it is not there
  std::string files_dir;                            // that the certificates of connections are in
  std::chrono::milliseconds give_up_after{60'000};  // without getting on
  std::chrono::milliseconds first_pause{200};
  std::chrono::milliseconds longest_pause{10'000};
  std::function<void(const std::string& text)> tell;  // what is done, for people
  std::function<bool()> stopped;                      // asked while it waits
};

// `pipeline` needs no defaults applied. kFailedPrecondition, kInvalidArgument, kNotFound,
// kPermissionDenied: somebody has to mend it. kUnavailable: the server, or the disk. kCancelled.
absl::Status FetchFiles(const v1::Pipeline& pipeline, const base::Secrets& secrets,
                        const FetchOptions& options);

// Names the fetched file wherever the pipeline names one that is fetched.
void UseFetched(const std::string& folder, v1::Pipeline* pipeline);

}  // namespace levada::files
