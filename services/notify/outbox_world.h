#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "services/notify/outbox.h"

// For the tests of Outbox: a world that outlives workers, and workers that can be killed wherever
// they touch it.
namespace levada::notify {

inline const bool kQuietTests = [] {
  base::SetLogLevel(base::LogLevel::kError);
  return true;
}();

// kill -9: thrown out of whatever was under way.
struct Killed {};

// What outlives a worker: the topic, the group's commits, the send log, and the other side.
struct World {
  // The worker dies at its `kill_at`-th touch of the outside (0: the first); -1: never.
  int kill_at = -1;
  int touches = 0;
  void Touch() {
    if (touches++ == kill_at) throw Killed();
  }

  struct Delivery {
    std::string id;
    std::string body;
    bool repeat = false;
  };
  std::map<std::string, std::string> log;
  std::map<int32_t, int64_t> committed;
  std::map<int32_t, int64_t> epochs;
  std::vector<Delivery> delivered;
  std::vector<std::pair<std::string, std::string>> dead;  // value, error
  std::deque<SendResult> answers;                         // then kSent
  Outbox::Time now{std::chrono::seconds(1000)};
};

class FakeLog : public SentLog {
 public:
  explicit FakeLog(World* world) : world_(*world) {}
  absl::StatusOr<std::vector<SentEntry>> ReadAll() override {
    world_.Touch();
    std::vector<SentEntry> entries;
    for (const auto& [id, value] : world_.log) entries.push_back(*DecodeSent(id, value));
    return entries;
  }
  void Write(const SentEntry& entry) override {
    buffer_.emplace_back(entry.notification.id, EncodeSent(entry));
  }
  void Erase(std::string_view id) override { buffer_.emplace_back(id, std::nullopt); }
  absl::Status Flush() override {
    world_.Touch();  // none of it is written, ...
    if (fail_flushes > 0) {
      --fail_flushes;
      return absl::UnavailableError("no Kafka");
    }
    while (!buffer_.empty()) {
      auto [id, value] = buffer_.front();
      buffer_.pop_front();
      if (value) {
        world_.log[id] = *value;
      } else {
        world_.log.erase(id);
      }
      world_.Touch();  // ... or some of it, or all
    }
    return absl::OkStatus();
  }
  absl::StatusOr<runtime::Offsets> Committed() override {
    world_.Touch();
    return runtime::Offsets(world_.committed.begin(), world_.committed.end());
  }
  int fail_flushes = 0;

 private:
  World& world_;
  std::deque<std::pair<std::string, std::optional<std::string>>> buffer_;
};

class FakeSender : public Sender {
 public:
  explicit FakeSender(World* world) : world_(*world) {}
  SendResult Send(const Notification& notification, bool repeat) override {
    world_.Touch();  // not sent, ...
    SendResult result;
    if (!world_.answers.empty()) {
      result = world_.answers.front();
      world_.answers.pop_front();
    }
    if (result.outcome == Outcome::kSent || result.outcome == Outcome::kAnswerLost) {
      world_.delivered.push_back({notification.id, notification.body, repeat});
    }
    world_.Touch();  // ... or sent, the answer being lost
    return result;
  }
  bool wants_events() const override { return false; }

 private:
  World& world_;
};

struct Behaviour {
  std::optional<Outbox::Grouping> group;
  Throttle throttle;
  std::function<bool(int32_t, int64_t)> wanted = [](int32_t, int64_t) { return true; };
};

// A worker with its memory, over the events 0 … count-1 of some partitions, in the way of the
// runtime's loop.
class Worker {
 public:
  Worker(World* world, std::map<int32_t, int64_t> counts, Behaviour setup = {})
      : world_(*world), counts_(std::move(counts)), setup_(std::move(setup)), log(world) {
    Outbox::Options options;
    options.origin = {.ns = "default", .pipeline = "fraud", .stage = "alert"};
    options.group = setup_.group;
    options.throttle = setup_.throttle;
    options.now = [this] { return world_.now; };
    outbox = std::make_unique<Outbox>(options, &sender_, &log, &probe_);
  }

  absl::Status Assign() {
    std::vector<int32_t> all;
    for (const auto& [partition, count] : counts_) all.push_back(partition);
    return Assign(all);
  }

  absl::Status Assign(const std::vector<int32_t>& partitions) {
    std::vector<runtime::Assignment> assignments;
    for (int32_t partition : partitions) {
      const bool known = world_.committed.contains(partition);
      // As the runtime has it: an epoch is only kept beside a commit.
      const int64_t epoch = known ? world_.epochs[partition] : ++next_epoch_;
      epochs_[partition] = epoch;
      assignments.push_back({.partition = partition,
                             .offset = known ? world_.committed[partition] : -1,
                             .epoch = epoch});
      position_[partition] = known ? world_.committed[partition] : 0;
    }
    return outbox->Assign(assignments);
  }

  void AddAll() {
    for (auto& [partition, next] : position_) {
      for (; next < counts_[partition]; ++next) Add(partition, next);
    }
  }

  void Add(int32_t partition, int64_t offset) {
    std::string error;
    if (outbox->Remembers(partition, offset)) {
      if (!outbox->Recall(MakeEvent(partition, offset), &error)) {
        world_.Touch();
        world_.dead.emplace_back(Name(partition, offset), error);
      }
    } else if (!setup_.wanted(partition, offset)) {
      outbox->Pass(partition, offset);
    } else {
      outbox->Take(MakeEvent(partition, offset));
    }
  }

  absl::Status FlushOnce() {
    std::vector<Outbox::Refused> refused;
    absl::Status status = outbox->Flush(&refused);
    if (!status.ok()) return status;
    for (const Outbox::Refused& one : refused) {
      world_.Touch();
      world_.dead.emplace_back(one.event.value, one.error);
    }
    world_.Touch();
    for (const auto& [partition, offset] : outbox->Committable()) {
      world_.committed[partition] = offset;
      world_.epochs[partition] = epochs_[partition];
    }
    world_.Touch();
    return status;
  }

  bool Finished() const {
    for (const auto& [partition, count] : counts_) {
      const auto found = world_.committed.find(partition);
      if (found == world_.committed.end() || found->second < count) return false;
    }
    return true;
  }

  // Until all is committed, time passing as it has to.
  void Run() {
    ASSERT_TRUE(Assign().ok());
    AddAll();
    for (int round = 0; round < 200 && !Finished(); ++round) {
      world_.now = std::max(world_.now,
                            std::min(outbox->FlushAt(), world_.now + std::chrono::seconds(3600)));
      if (!FlushOnce().ok()) world_.now += std::chrono::seconds(1);
    }
    ASSERT_TRUE(Finished());
  }

  static std::string Name(int32_t partition, int64_t offset) {
    return absl::StrCat("event ", partition, "/", offset);
  }

  static Event MakeEvent(int32_t partition, int64_t offset) {
    Event event;
    event.partition = partition;
    event.offset = offset;
    event.value = event.body = Name(partition, offset);
    event.subject = absl::StrCat("subject ", offset);
    return event;
  }

 private:
  World& world_;
  std::map<int32_t, int64_t> counts_;
  Behaviour setup_;
  std::map<int32_t, int64_t> position_;
  std::map<int32_t, int64_t> epochs_;
  static inline int64_t next_epoch_ = 0;
  FakeSender sender_{&world_};
  prometheus::Registry registry_;
  Probe probe_{registry_, {}};

 public:
  FakeLog log;
  std::unique_ptr<Outbox> outbox;
};

// The promise: every wanted event was delivered or is a dead letter; whatever was delivered before
// comes again only marked and under the same id.
inline void CheckPromise(const World& world, const std::map<int32_t, int64_t>& counts,
                         const Behaviour& setup) {
  std::map<std::string, std::vector<World::Delivery>> by_event;
  std::map<std::string, std::string> bodies;
  for (const World::Delivery& delivery : world.delivered) {
    const auto [known, is_new] = bodies.try_emplace(delivery.id, delivery.body);
    EXPECT_EQ(known->second, delivery.body) << "a repeat says something else";
    std::string body = delivery.body + "\n";
    for (size_t at = 0; at < body.size(); at = body.find('\n', at) + 1) {
      by_event[body.substr(at, body.find('\n', at) - at)].push_back(delivery);
    }
  }
  for (const auto& [partition, count] : counts) {
    for (int64_t offset = 0; offset < count; ++offset) {
      const std::string name = Worker::Name(partition, offset);
      const auto& deliveries = by_event[name];
      const bool dead = std::any_of(world.dead.begin(), world.dead.end(),
                                    [&](const auto& one) { return one.first == name; });
      if (!setup.wanted(partition, offset)) {
        EXPECT_TRUE(deliveries.empty() && !dead) << name;
        continue;
      }
      EXPECT_TRUE(!deliveries.empty() || dead) << name << " is missing";
      for (size_t i = 1; i < deliveries.size(); ++i) {
        EXPECT_TRUE(deliveries[i].repeat) << name << " came again without a mark";
        EXPECT_EQ(deliveries[i].id, deliveries[0].id) << name;
      }
    }
  }
}

inline SendResult Answer(Outcome outcome) {
  return {.outcome = outcome, .text = "as the test says"};
}

}  // namespace levada::notify
