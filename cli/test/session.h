#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The process of a stage that answers what a test asks (core/runtime/session.cc). It ends with the
// object, or when this process ends.
//
//   auto session = Session::Start({program, "--test-session", …}, slice_yaml);
//   absl::StatusOr<nlohmann::json> answer = (*session)->Ask({{"now", 1000}});
//
// Errors: kUnavailable where the process ended or does not answer, with what it said; what is wrong
// with the stage itself is kInvalidArgument.
//
// Threads: one at a time.
namespace levada::cli {

class Session {
 public:
  // `slice`: given to the program as the file /dev/fd/3. Does not wait until it has started.
  static absl::StatusOr<std::unique_ptr<Session>> Start(const std::vector<std::string>& command,
                                                        const std::string& slice);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  absl::StatusOr<nlohmann::json> Ask(const nlohmann::json& request);
  // The two halves of Ask, so that several sessions work at the same time.
  absl::Status Send(const nlohmann::json& request);
  absl::StatusOr<nlohmann::json> Receive();

 private:
  Session() = default;
  absl::Status Ended();

  pid_t pid_ = -1;
  int in_ = -1;    // its standard input
  int out_ = -1;   // its standard output
  int said_ = -1;  // a file with its standard error
  std::string buffer_;
};

}  // namespace levada::cli
