#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/scoring/answer.h"
#include "services/scoring/peers/certificate.h"
#include "services/scoring/peers/directory.h"

namespace prometheus {
class Registry;
}

// Passes an event on to the worker that has its key, over gRPC, and gives back what that one says.
//
//   auto forwarder = Forwarder::Create(NewDirectory(look), {}, registry, labels);
//   (*forwarder)->Detect(3, event, [](absl::StatusOr<Answer> answer) { … });
//
// It waits for kAnswerWithin at most. A worker that is not there, or does not have the partition
// (any more), is looked for once more, and asked if it is another one by then. Events that wait
// hold a bounded amount of memory; further ones are refused.
//
// Statuses: InvalidArgument as the other one says it; Unavailable for all that may pass: the
// caller is to ask again.
// Threads: any; nothing waits. `done` is called once, from the caller's thread or another one.
namespace levada::scoring::peers {

inline constexpr std::chrono::seconds kAnswerWithin{3};

class Forwarder {
 public:
  // InvalidArgument: the certificate cannot be used.
  static absl::StatusOr<std::unique_ptr<Forwarder>> Create(
      std::unique_ptr<Directory> directory, const Certificate& certificate,
      prometheus::Registry& registry, const std::map<std::string, std::string>& labels);
  // Ends the calls under way, which are Unavailable then.
  virtual ~Forwarder() = default;

  virtual void Detect(int32_t partition, std::string event, Done done) = 0;
};

}  // namespace levada::scoring::peers
