#include "cli/dlq/replay.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/record/headers.h"

namespace levada::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kBatchRecords = 500;
constexpr size_t kBatchBytes = 4 << 20;
constexpr int kTries = 5;

// A call that Kafka did not answer in time is made again.
template <typename Call>
absl::Status CallAgain(const Call& call) {
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    status = call();
    if (!absl::IsUnavailable(status)) break;
  }
  return status;
}

absl::Status Explain(const absl::Status& status) {
  if (absl::IsFailedPrecondition(status)) {
    return absl::FailedPreconditionError(
        "another replay of this pipeline has begun and goes on in place of this one");
  }
  return status;
}

}  // namespace

Replay::Replay(const OnKafka& on_kafka, const Filter& filter, int64_t limit)
    : on_kafka_(on_kafka),
      filter_(filter),
      limit_(limit),
      plan_(pipeline::Compile(on_kafka.pipeline)),
      dead_topic_(pipeline::DeadLetterTopic(plan_.pipeline)) {}

absl::Status Replay::FindTopics() {
  auto admin = kafka::Admin::Create(on_kafka_.config);
  if (!admin.ok()) return admin.status();
  std::vector<std::string> names;
  for (const pipeline::PlannedTopic& topic : plan_.topics) names.push_back(topic.name);
  const auto live = (*admin)->Describe(names);
  if (!live.ok()) return live.status();
  there_.clear();
  for (const auto& [name, state] : *live) there_.insert(name);
  return absl::OkStatus();
}

std::string Replay::Obstacle(const Letter& letter) const {
  if (letter.full_size >= 0) {
    return base::StrCat("too large for a dead letter: it was cut, and the whole is in ",
                        letter.topic, " only");
  }
  const std::string topic(letter.topic);
  for (const pipeline::PlannedStage& stage : plan_.stages) {
    if (stage.name == letter.stage && stage.input.empty()) {
      return base::StrCat("stage ", stage.name, " took it from ", topic,
                          ", which is no topic: mend it there");
    }
  }
  if (there_.contains(topic)) return "";
  return base::StrCat("topic ", topic, " is not in the pipeline, or not in Kafka");
}

std::vector<std::string> Replay::Warnings(
    const std::map<std::string, std::set<std::string>>& stages_by_topic) const {
  std::vector<std::string> warnings;
  for (const auto& [topic, stages] : stages_by_topic) {
    std::vector<std::string> others;
    for (const pipeline::PlannedStage& stage : plan_.stages) {
      if (stage.input == topic && !stages.contains(stage.name)) others.push_back(stage.name);
    }
    if (!others.empty()) {
      warnings.push_back(base::StrCat("topic ", topic, " is also read by ",
                                      absl::StrJoin(others, ", "),
                                      ", which will get these records once more"));
    }
    const v1::Topic* declared = pipeline::FindTopic(plan_.pipeline, topic);
    if (declared != nullptr && declared->compacted()) {
      warnings.push_back(base::StrCat("topic ", topic,
                                      " is a table: a record that is sent again replaces what its "
                                      "key has had since"));
    }
  }
  return warnings;
}

absl::StatusOr<ReplayPlan> Replay::Prepare() {
  if (absl::Status found = FindTopics(); !found.ok()) return found;
  struct Candidate {
    int64_t timestamp_ms;
    int32_t partition;
    int64_t offset;
    size_t route;  // of `routes`, or behind them an obstacle
  };
  std::vector<Candidate> candidates;
  ReplayPlan plan;
  std::vector<std::string> obstacles;
  std::map<std::string, size_t> numbers;
  Replayed replayed;
  std::map<int32_t, int64_t> ends;
  absl::Status read =
      ReadLetters(on_kafka_.config, dead_topic_, &replayed, &ends, [&](const Letter& letter) {
        if (!filter_.Takes(letter)) return;
        const std::string obstacle = Obstacle(letter);
        const std::string kind =
            obstacle.empty() ? base::StrCat("\n", letter.stage, "\n", letter.topic) : obstacle;
        const auto [at, fresh] = numbers.try_emplace(kind, numbers.size());
        if (fresh) {
          obstacles.push_back(obstacle);
          plan.routes.push_back({std::string(letter.stage), std::string(letter.topic)});
        }
        candidates.push_back({letter.record->timestamp_ms, letter.record->partition,
                              letter.record->offset, at->second});
      });
  if (!read.ok()) return read;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.timestamp_ms < b.timestamp_ms; });
  chosen_.clear();
  std::map<std::string, std::set<std::string>> stages_by_topic;
  for (const Candidate& candidate : candidates) {
    if (!obstacles[candidate.route].empty()) {
      ++plan.left_out[obstacles[candidate.route]];
    } else if (replayed.Contains(candidate.partition, candidate.offset)) {
      ++plan.replayed;
    } else if (limit_ == 0 || plan.total < limit_) {
      ReplayPlan::Route& route = plan.routes[candidate.route];
      ++plan.total;
      ++route.count;
      stages_by_topic[route.topic].insert(route.stage);
      chosen_[candidate.partition].push_back(candidate.offset);
    }
  }
  for (auto& [partition, offsets] : chosen_) std::sort(offsets.begin(), offsets.end());
  std::erase_if(plan.routes, [](const auto& route) { return route.count == 0; });
  plan.warnings = Warnings(stages_by_topic);
  return plan;
}

absl::Status Replay::LeaveOutReplayed() {
  Replayed replayed;
  std::map<int32_t, int64_t> ends;
  // A worker's transaction on the same topic may stand before a note and hide it.
  absl::Status read = ReadLetters(
      on_kafka_.config, dead_topic_, &replayed, &ends, [](const Letter&) {},
      kafka::SnapshotEnd::kWithOpen);
  for (auto& [partition, offsets] : chosen_) {
    std::erase_if(offsets, [&, partition = partition](int64_t offset) {
      return replayed.Contains(partition, offset);
    });
  }
  return read;
}

int Replay::NumberOf(kafka::Producer* producer, const std::string& topic) {
  const auto [at, fresh] = numbers_.try_emplace(topic, 0);
  if (fresh) at->second = producer->AddTopic(topic);
  return at->second;
}

absl::Status Replay::Transact(kafka::Producer* producer, const std::vector<Copy>& batch) {
  if (absl::Status begun = producer->Begin(); !begun.ok()) return begun;
  std::map<int32_t, std::vector<int64_t>> sent;
  for (const Copy& copy : batch) {
    std::vector<Header> headers;
    for (const auto& [name, value] : copy.headers) headers.push_back({name, value});
    kafka::Outgoing out{.topic = NumberOf(producer, copy.topic),
                        .key = copy.key,
                        .has_key = copy.has_key,
                        .value = copy.value,
                        .has_value = copy.has_value,
                        .headers = headers};
    if (absl::Status status = producer->Produce(out); !status.ok()) return status;
    sent[copy.partition].push_back(copy.offset);
  }
  for (auto& [partition, offsets] : sent) {
    std::sort(offsets.begin(), offsets.end());
    const std::string text = Replayed::Format(offsets);
    const std::string value = base::StrCat("{\"replayed\":\"", text, "\"}");
    const Header header{kReplayedHeader, text};
    kafka::Outgoing note{.topic = NumberOf(producer, dead_topic_),
                         .value = value,
                         .partition = partition,
                         .headers = {&header, 1}};
    if (absl::Status status = producer->Produce(note); !status.ok()) return status;
  }
  return CallAgain([&] { return producer->Commit(); });
}

absl::Status Replay::SendBatch(kafka::Producer* producer, const std::vector<Copy>& batch) {
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    status = Transact(producer, batch);
    if (status.ok() || absl::IsFailedPrecondition(status)) break;
    // Whether it was committed is not known: the next replay reads it. Only what surely was not is
    // done again here.
    if (!absl::IsAborted(status)) break;
    if (absl::Status aborted = producer->Abort(); !aborted.ok()) return Explain(aborted);
  }
  return Explain(status);
}

absl::StatusOr<int64_t> Replay::Send(const std::function<void(int64_t sent)>& on_progress) {
  kafka::Producer::Options options;
  options.client = on_kafka_.config;
  options.transactional_id = base::StrCat(pipeline::NamePrefix(plan_.pipeline), "replay");
  numbers_.clear();
  auto producer = kafka::Producer::Create(options, nullptr);
  if (!producer.ok()) return producer.status();
  // From here on no other replay can commit, and what others have committed can be read.
  absl::Status status = CallAgain([&] { return (*producer)->InitTransactions(seconds(10)); });
  if (status.ok()) status = LeaveOutReplayed();
  if (!status.ok()) return Explain(status);
  std::vector<Copy> batch;
  size_t bytes = 0;
  int64_t sent = 0;
  const auto send = [&] {
    if (batch.empty() || !status.ok()) return;
    status = SendBatch(producer->get(), batch);
    if (status.ok()) sent += static_cast<int64_t>(batch.size());
    if (status.ok()) on_progress(sent);
    batch.clear();
    bytes = 0;
  };
  Replayed ignored;
  std::map<int32_t, int64_t> ends;
  absl::Status read =
      ReadLetters(on_kafka_.config, dead_topic_, &ignored, &ends, [&](const Letter& letter) {
        const Record& record = *letter.record;
        const std::vector<int64_t>& chosen = chosen_[record.partition];
        if (!status.ok() || !std::binary_search(chosen.begin(), chosen.end(), record.offset)) {
          return;
        }
        Copy copy{.topic = std::string(letter.topic),
                  .key = std::string(record.key),
                  .value = std::string(record.value),
                  .has_key = record.has_key,
                  .has_value = record.has_value,
                  .partition = record.partition,
                  .offset = record.offset};
        for (const Header& header : letter.headers) {
          copy.headers.emplace_back(header.name, header.value);
        }
        bytes += copy.key.size() + copy.value.size();
        batch.push_back(std::move(copy));
        if (batch.size() >= kBatchRecords || bytes >= kBatchBytes) send();
      });
  if (read.ok()) send();
  if (status.ok()) status = read;
  if (!status.ok()) {
    return absl::Status(status.code(),
                        base::StrCat(base::View(status.message()), "; ", sent,
                                     " were sent before. Do it again: what was sent is not sent "
                                     "twice"));
  }
  return sent;
}

}  // namespace levada::cli
