#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/runtime/stage.h"
#include "services/ingest/file_log.h"
#include "services/ingest/followed_file.h"
#include "services/ingest/probe.h"
#include "services/ingest/rate_limiter.h"
#include "services/ingest/stopper.h"
#include "services/ingest/validator.h"

// Brings the lines of a file into the topic, each once over restarts and crashes: lines and
// position are committed together. Invalid lines become dead letters.
//
// Threads: Run in one; Stop from any.
namespace levada::ingest {

class FileSource {
 public:
  FileSource(const runtime::StageContext& context, const Validator& validator, Probe& probe);

  absl::Status Run(const std::function<void()>& ready);
  void Stop() { stopper_.Stop(); }

 private:
  absl::Status Loop(FileLog& log, FollowedFile& file);
  absl::Status Take(const Line& line, FileLog& log);
  absl::Status Commit(FileLog& log, const FollowedFile& file);

  const runtime::StageContext& context_;
  const Validator& validator_;
  Probe& probe_;
  const std::string path_;  // as in the manifest: the key of its position
  const FollowedFile::Options file_options_;
  RateLimiter rate_;
  Stopper stopper_;
  Validator::Scratch scratch_;
  // Since the last commit.
  size_t valid_ = 0;
  size_t valid_bytes_ = 0;
  size_t dead_ = 0;
};

}  // namespace levada::ingest
