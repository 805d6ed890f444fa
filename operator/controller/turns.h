#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "operator/kube/object.h"

// How many pipelines have their tests run at the same time: a newer operator tests all of them
// anew, and so many pods at once would take the nodes' room from the workers.
//
//   if (const auto ahead = turns.Take(pipeline, job, now, ended)) return Wait(*ahead);
//   MakeJob();
//   …
//   turns.Done(pipeline);
//
// Who has a turn keeps it until Done, until somebody who waits finds that its Job has ended, or for
// kLongestMicros: four Jobs that cannot be made, or whose pods cannot start, are not to hold up
// everybody else.
//
// Threads: one at a time.
namespace levada::controller {

class Turns {
 public:
  static constexpr size_t kMost = 4;
  static constexpr int64_t kLongestMicros = 60'000'000;

  struct Turn {
    std::string job;
    int64_t since_micros = 0;
  };
  using Ended = std::function<bool(const kube::ObjectKey& pipeline, const Turn& turn)>;

  // nullopt: the pipeline has a turn now, for this Job. Otherwise how many have waited longer.
  std::optional<size_t> Take(const kube::ObjectKey& pipeline, const std::string& job,
                             int64_t now_micros, const Ended& ended);
  // A Job that is there already, whoever made it: it has a turn beyond the most, too.
  void Begin(const kube::ObjectKey& pipeline, const std::string& job, int64_t now_micros);
  void Done(const kube::ObjectKey& pipeline);

 private:
  bool Full(int64_t now_micros) const;

  std::map<kube::ObjectKey, Turn> running_;
  std::map<kube::ObjectKey, uint64_t> waiting_;  // the number that each has drawn
  uint64_t drawn_ = 0;
};

}  // namespace levada::controller
