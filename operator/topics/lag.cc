#include "operator/topics/lag.h"

#include <algorithm>
#include <numeric>

#include "core/kafka/tail.h"

namespace levada::topics {
namespace {

// Markers of a few workers' last transactions; where more than these wait, there are events.
constexpr int64_t kFew = 100;
constexpr double kSmoothedOver = 10;  // seconds
constexpr std::chrono::seconds kListedFor{30};

int64_t Sum(const std::vector<int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), int64_t{0});
}

}  // namespace

absl::Status LagReader::Read(const std::set<Watched>& groups) {
  if (groups_ == nullptr) {
    auto made = kafka::Groups::Create(config_, timeout_);
    if (!made.ok()) return made.status();
    groups_ = *std::move(made);
  }
  const auto ends = Ends(groups);
  if (!ends.ok()) return ends.status();
  std::vector<Watched> asked;
  std::vector<kafka::GroupOnTopic> requests;
  for (const Watched& watched : groups) {
    const auto of_topic = ends->find(watched.topic);
    if (of_topic == ends->end()) continue;
    const auto known = known_.find(watched.group);
    if (known != known_.end() && known->second.topic == watched.topic) {
      std::vector<int64_t> now;
      for (const kafka::PartitionEnds& end : of_topic->second) now.push_back(end.end);
      const Load& load = known->second.load;
      if (now == load.end && Sum(load.lag) == 0 && load.events_per_second == 0) continue;
    }
    asked.push_back(watched);
    requests.push_back({watched.group, watched.topic, static_cast<int>(of_topic->second.size())});
  }
  const auto next = groups_->Next(requests);
  if (!next.ok()) return next.status();
  const auto now = Clock::now();
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!(*next)[i].empty()) Update(asked[i], ends->at(asked[i].topic), (*next)[i], now);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::vector<kafka::PartitionEnds>>> LagReader::Ends(
    const std::set<Watched>& groups) {
  const auto now = Clock::now();
  bool list = !listed_at_ || now - *listed_at_ >= kListedFor;
  for (const Watched& watched : groups) list = list || !partitions_.contains(watched.topic);
  if (list) {
    std::vector<std::string> topics;
    std::set<std::string> names;
    for (const Watched& watched : groups) {
      topics.push_back(watched.topic);
      names.insert(watched.group);
    }
    std::erase_if(known_, [&](const auto& entry) { return !names.contains(entry.first); });
    auto partitions = groups_->Partitions(topics);
    if (!partitions.ok()) return partitions.status();
    partitions_ = *std::move(partitions);
    listed_at_ = now;
  }
  auto ends = groups_->Ends(partitions_, list);
  // A topic was made anew, say: asked for again with the next reading.
  if (!ends.ok() || ends->size() != partitions_.size()) listed_at_.reset();
  if (!ends.ok()) return ends.status();
  if (list) {
    begins_ = *ends;
    return ends;
  }
  for (auto& [topic, of_topic] : *ends) {
    const auto begins = begins_.find(topic);
    if (begins == begins_.end() || begins->second.size() != of_topic.size()) continue;
    for (size_t i = 0; i < of_topic.size(); ++i) {
      of_topic[i].begin = std::min(begins->second[i].begin, of_topic[i].end);
    }
  }
  return ends;
}

const Load* LagReader::Of(const std::string& group) const {
  const auto known = known_.find(group);
  return known == known_.end() ? nullptr : &known->second.load;
}

void LagReader::Update(const Watched& watched, const std::vector<kafka::PartitionEnds>& ends,
                       const std::vector<int64_t>& next, Clock::time_point now) {
  Known& known = known_[watched.group];
  const bool same = known.seen && known.topic == watched.topic && known.next.size() == ends.size();
  const std::vector<int64_t> before = same ? known.next : std::vector<int64_t>();
  known.topic = watched.topic;
  known.next.assign(ends.size(), 0);
  known.bare.resize(ends.size(), -1);
  known.load.end.assign(ends.size(), 0);
  known.load.lag.assign(ends.size(), 0);
  for (size_t i = 0; i < ends.size(); ++i) {
    known.next[i] = std::clamp(next[i], ends[i].begin, std::max(ends[i].begin, ends[i].end));
    known.load.end[i] = ends[i].end;
    known.load.lag[i] = std::max<int64_t>(0, ends[i].end - known.next[i]);
  }
  if (same) {
    const double seconds = std::chrono::duration<double>(now - known.at).count();
    const double handled =
        std::max(0.0, static_cast<double>(Sum(known.next) - Sum(before))) / std::max(0.1, seconds);
    double& rate = known.load.events_per_second;
    const double weight = std::min(1.0, seconds / kSmoothedOver);
    rate = rate < 0 ? handled : rate + weight * (handled - rate);
    if (handled == 0 && rate < 0.05) rate = 0;
    // Two readings alike: nobody is about to read on, so it is worth a look.
    if (known.next == before) LookAtTail(watched, &known);
  }
  for (size_t i = 0; i < known.next.size(); ++i) {
    if (known.bare[i] == known.load.end[i]) known.load.lag[i] = 0;
  }
  known.at = now;
  known.seen = true;
}

void LagReader::LookAtTail(const Watched& watched, Known* known) {
  std::map<int32_t, int64_t> offsets;
  for (size_t i = 0; i < known->next.size(); ++i) {
    const int64_t lag = known->load.lag[i];
    if (lag == 0 || lag > kFew || known->bare[i] == known->load.end[i]) continue;
    offsets[static_cast<int32_t>(i)] = known->next[i];
  }
  if (offsets.empty()) return;
  const auto events = kafka::HasEvents(config_, watched.topic, offsets, timeout_);
  if (!events.ok()) return;  // looked at again with the next reading
  for (const auto& [partition, has] : *events) {
    if (!has) known->bare[partition] = known->load.end[partition];
  }
}

}  // namespace levada::topics
