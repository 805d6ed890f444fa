#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/dlq/letters.h"
#include "cli/target/target.h"
#include "core/kafka/producer.h"
#include "core/pipeline/plan.h"

// Sends dead letters back to the topics that they came from, each once.
//
//   Replay replay(on_kafka, filter, /*limit=*/0);
//   absl::StatusOr<ReplayPlan> plan = replay.Prepare();   // reads; writes nothing
//   if (plan->others.empty() || Ask()) absl::StatusOr<int64_t> sent = replay.Send();
//
// A record goes back with its own bytes, key and headers, and the time of now: it arrives in Levada
// again. Records and the notes of what was sent (letters.h) are one transaction; its id is the
// pipeline's, so that of two replays the later one stops the earlier, and reads what that one had
// sent. A replay that was killed is simply done again.
//
// Threads: one.
namespace levada::cli {

struct ReplayPlan {
  struct Route {
    std::string stage;
    std::string topic;
    int64_t count = 0;
  };
  std::vector<Route> routes;
  int64_t total = 0;
  int64_t replayed = 0;  // that the filter takes, and were sent again already
  // Those that cannot be sent again, by why.
  std::map<std::string, int64_t> left_out;
  // What sending does beside what is wanted, for people: other readers of a topic, tables.
  std::vector<std::string> warnings;
};

class Replay {
 public:
  // `limit`: the oldest so many; 0: all.
  Replay(const OnKafka& on_kafka, const Filter& filter, int64_t limit);

  // kNotFound: no dead-letter topic.
  absl::StatusOr<ReplayPlan> Prepare();

  // After Prepare. How many were sent; `on_progress` is told after each transaction.
  absl::StatusOr<int64_t> Send(const std::function<void(int64_t sent)>& on_progress);

 private:
  struct Copy {
    std::string topic;
    std::string key;
    std::string value;
    std::vector<std::pair<std::string, std::string>> headers;
    bool has_key = false;
    bool has_value = true;
    int32_t partition = 0;  // of the dead-letter topic
    int64_t offset = 0;
  };

  // Why it cannot be sent again; empty: it can.
  std::string Obstacle(const Letter& letter) const;
  std::vector<std::string> Warnings(
      const std::map<std::string, std::set<std::string>>& stages_by_topic) const;
  absl::Status FindTopics();
  // Takes what was sent since Prepare out of what is chosen.
  absl::Status LeaveOutReplayed();
  absl::Status SendBatch(kafka::Producer* producer, const std::vector<Copy>& batch);
  absl::Status Transact(kafka::Producer* producer, const std::vector<Copy>& batch);
  int NumberOf(kafka::Producer* producer, const std::string& topic);

  const OnKafka& on_kafka_;
  const Filter& filter_;
  const int64_t limit_;
  const pipeline::Plan plan_;
  const std::string dead_topic_;
  std::set<std::string> there_;                     // topics of the plan that Kafka has
  std::map<int32_t, std::vector<int64_t>> chosen_;  // offsets by partition, sorted
  std::map<std::string, int> numbers_;              // of the producer
};

}  // namespace levada::cli
