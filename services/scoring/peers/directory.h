#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

// Where the worker is that has a partition of the stage's input.
//
//   directory->Find(3, Directory::Clock::time_point::min(), [](absl::StatusOr<std::string> at) {
//     if (at.ok()) channel = grpc::CreateChannel(*at, credentials);
//   });
//
// Threads: any. `done` is called once, at once from the caller's thread or later from the
// directory's own, which it must not hold up.
namespace levada::kafka {
struct ClientConfig;
}

namespace levada::scoring::peers {

class Directory {
 public:
  using Clock = std::chrono::steady_clock;
  using Found = std::function<void(absl::StatusOr<std::string>)>;

  virtual ~Directory() = default;
  // A target of gRPC; Unavailable: nobody is known to have the partition. `not_before`: what was
  // known earlier than that has proved wrong.
  virtual void Find(int32_t partition, Clock::time_point not_before, Found done) = 0;
};

// Whom each partition belongs to, as somebody who was asked sees it now.
using Owners = std::map<int32_t, std::string>;
using Look = std::function<absl::StatusOr<Owners>()>;

// Remembers what `look` found for a few seconds. It looks when it is asked and does not know, in a
// thread of its own, one look at a time and a few a second at most, for all who wait; more than a
// bounded number of them are refused. While looking fails, what was seen in the last minute holds:
// partitions mostly stay where they are, and an owner says himself if he is none any more.
std::unique_ptr<Directory> NewDirectory(Look look);

// Looks at the members of the stage's consumer group (address.h); it connects to Kafka when it is
// first called.
Look LookAtGroup(const kafka::ClientConfig& kafka, std::string group, std::string topic);

}  // namespace levada::scoring::peers
