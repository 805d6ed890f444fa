#include "services/notify/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <deque>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"

namespace levada::notify {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const bool kQuiet = [] {
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
  Outbox::Time now{seconds(1000)};
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
      world_.now = std::max(world_.now, std::min(outbox->FlushAt(), world_.now + seconds(3600)));
      if (!FlushOnce().ok()) world_.now += seconds(1);
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
void CheckPromise(const World& world, const std::map<int32_t, int64_t>& counts,
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

// Kills the first worker at every point in turn; a second one goes on, is killed itself at every
// fifth, and a third finishes.
int EveryCrash(std::map<int32_t, int64_t> counts, Behaviour setup, std::deque<SendResult> answers) {
  int points = 0;
  for (bool killed = true; killed; ++points) {
    World world;
    world.answers = answers;
    world.kill_at = points;
    killed = false;
    for (int life = 0; life < 3; ++life) {
      try {
        Worker(&world, counts, setup).Run();
        break;
      } catch (const Killed&) {
        killed = true;
        world.touches = 0;
        world.kill_at = life == 0 ? points % 5 : -1;
      }
    }
    CheckPromise(world, counts, setup);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "killed at touch " << points;
      break;
    }
  }
  return points;
}

SendResult Answer(Outcome outcome) { return {.outcome = outcome, .text = "as the test says"}; }

TEST(OutboxTest, SendsEachEventOnceAndCommitsBehindIt) {
  World world;
  Worker(&world, {{0, 3}}).Run();
  ASSERT_EQ(world.delivered.size(), 3u);
  for (const auto& delivery : world.delivered) EXPECT_FALSE(delivery.repeat);
  EXPECT_THAT(world.delivered[1].id,
              ::testing::MatchesRegex("alert\\.[0-9a-f]+\\.0\\.1@fraud\\.default\\.levada"));
  EXPECT_EQ(world.committed[0], 3);
}

TEST(OutboxTest, TheLogIsEmptiedBehindTheCommits) {
  World world;
  Worker worker(&world, {{0, 3}});
  worker.Run();
  EXPECT_EQ(world.log.size(), 3u);
  world.now += Outbox::kCleanEvery;
  EXPECT_LE(worker.outbox->FlushAt(), world.now);
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_TRUE(worker.log.Flush().ok());
  EXPECT_THAT(world.log, IsEmpty());
  EXPECT_EQ(worker.outbox->FlushAt(), Outbox::Time::max());
}

TEST(OutboxTest, NothingIsMissingAndRepeatsAreMarkedWhereverItIsKilled) {
  EXPECT_GT(EveryCrash({{0, 3}, {1, 2}}, {}, {}), 30);
}

TEST(OutboxTest, TheSameWithGroupsOverPartitions) {
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(30), .max = 4};
  EXPECT_GT(EveryCrash({{0, 5}, {1, 4}}, setup, {}), 15);
}

TEST(OutboxTest, TheSameWithAConditionAndAThrottle) {
  Behaviour setup;
  setup.throttle = Throttle(1, seconds(60));
  setup.wanted = [](int32_t, int64_t offset) { return offset % 2 == 0; };
  EXPECT_GT(EveryCrash({{0, 5}}, setup, {}), 15);
}

TEST(OutboxTest, TheSameWithEveryKindOfAnswer) {
  for (Outcome first : {Outcome::kSent, Outcome::kRejected, Outcome::kTryLater,
                        Outcome::kUnavailable, Outcome::kAnswerLost}) {
    for (Outcome second : {Outcome::kSent, Outcome::kRejected, Outcome::kTryLater,
                           Outcome::kUnavailable, Outcome::kAnswerLost}) {
      SCOPED_TRACE(absl::StrCat(static_cast<int>(first), " then ", static_cast<int>(second)));
      EveryCrash({{0, 3}}, {}, {Answer(first), Answer(second)});
      Behaviour groups;
      groups.group = Outbox::Grouping{.wait = seconds(1), .max = 2};
      EveryCrash({{0, 2}, {1, 1}}, groups, {Answer(first), Answer(second)});
      if (HasFailure()) return;
    }
  }
}

TEST(OutboxTest, ALostAnswerIsRepeatedWithAMark) {
  World world;
  world.answers = {Answer(Outcome::kAnswerLost)};
  Worker(&world, {{0, 1}}).Run();
  ASSERT_EQ(world.delivered.size(), 2u);
  EXPECT_FALSE(world.delivered[0].repeat);
  EXPECT_TRUE(world.delivered[1].repeat);
  EXPECT_EQ(world.delivered[0].id, world.delivered[1].id);
}

TEST(OutboxTest, WhatCertainlyDidNotGoOutIsNoRepeatEvenAfterARestart) {
  for (Outcome outcome : {Outcome::kUnavailable, Outcome::kTryLater}) {
    World world;
    world.answers = {Answer(outcome)};
    {
      Worker first(&world, {{0, 1}});
      ASSERT_TRUE(first.Assign().ok());
      first.AddAll();
      (void)first.FlushOnce();  // commits the epoch
      (void)first.FlushOnce();  // is refused
      EXPECT_THAT(world.answers, IsEmpty());
    }
    Worker(&world, {{0, 1}}).Run();
    ASSERT_EQ(world.delivered.size(), 1u);
    EXPECT_FALSE(world.delivered[0].repeat);
  }
}

TEST(OutboxTest, ALostAnswerStaysInDoubtThroughLaterRefusals) {
  World world;
  world.answers = {Answer(Outcome::kAnswerLost), Answer(Outcome::kUnavailable),
                   Answer(Outcome::kTryLater)};
  Worker(&world, {{0, 1}}).Run();
  ASSERT_EQ(world.delivered.size(), 2u);
  EXPECT_TRUE(world.delivered[1].repeat);
}

TEST(OutboxTest, WhatIsRefusedForGoodBecomesADeadLetter) {
  World world;
  world.answers = {Answer(Outcome::kRejected)};
  Worker(&world, {{0, 2}}).Run();
  EXPECT_THAT(world.dead,
              ElementsAre(std::pair<std::string, std::string>("event 0/0", "as the test says")));
  ASSERT_EQ(world.delivered.size(), 1u);
  EXPECT_EQ(world.delivered[0].body, "event 0/1");
}

TEST(OutboxTest, RefusedRecipientsBecomeADeadLetterAlthoughOthersGotIt) {
  World world;
  world.answers = {{.outcome = Outcome::kSent, .refused = "<x@y>: 550 no"}};
  Worker(&world, {{0, 1}}).Run();
  EXPECT_EQ(world.delivered.size(), 1u);
  ASSERT_EQ(world.dead.size(), 1u);
  EXPECT_EQ(world.dead[0].second, "sent to the others; refused for <x@y>: 550 no");
}

TEST(OutboxTest, OneThatIsRefusedForNowDoesNotHoldUpTheOthers) {
  World world;
  world.answers = {Answer(Outcome::kTryLater)};
  Worker worker(&world, {{0, 3}});
  ASSERT_TRUE(worker.Assign().ok());
  worker.AddAll();
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.delivered.size(), 2u);
  EXPECT_EQ(world.committed[0], 0);
  world.now += std::chrono::minutes(6);
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.delivered.size(), 3u);
  EXPECT_EQ(world.committed[0], 3);
}

TEST(OutboxTest, RetryAfterIsHonoured) {
  World world;
  SendResult slow = Answer(Outcome::kUnavailable);
  slow.retry_after = seconds(60);
  world.answers = {slow};
  Worker worker(&world, {{0, 1}});
  ASSERT_TRUE(worker.Assign().ok());
  worker.AddAll();
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_TRUE(absl::IsUnavailable(worker.FlushOnce()));
  world.now += seconds(59);
  EXPECT_TRUE(absl::IsUnavailable(worker.FlushOnce()));
  EXPECT_THAT(world.delivered, IsEmpty());
  world.now += seconds(1);
  EXPECT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.delivered.size(), 1u);
}

TEST(OutboxTest, GroupsCloseByTimeAndBySize) {
  World world;
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(5), .max = 2};
  Worker worker(&world, {{0, 3}}, setup);
  ASSERT_TRUE(worker.Assign().ok());
  worker.AddAll();
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_EQ(world.delivered.size(), 1u);
  EXPECT_EQ(world.delivered[0].body, "event 0/0\nevent 0/1");
  EXPECT_EQ(world.committed[0], 2);
  EXPECT_EQ(worker.outbox->FlushAt(), world.now + seconds(5));
  world.now += seconds(5);
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_EQ(world.delivered.size(), 2u);
  EXPECT_EQ(world.delivered[1].body, "event 0/2");
  EXPECT_EQ(world.committed[0], 3);
}

TEST(OutboxTest, AGroupThatWouldBeTooLargeIsSentBefore) {
  World world;
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(30), .max = 100};
  Worker worker(&world, {{0, 2}}, setup);
  ASSERT_TRUE(worker.Assign().ok());
  for (int64_t offset = 0; offset < 2; ++offset) {
    Event event = Worker::MakeEvent(0, offset);
    event.body = std::string(Limits::kBodyBytes - 10, 'x');
    worker.outbox->Take(std::move(event));
  }
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.delivered.size(), 1u);
}

TEST(OutboxTest, TheThrottleHoldsBackWithoutStoppingCommitsOrTaking) {
  World world;
  Behaviour setup;
  setup.throttle = Throttle(1, seconds(60));
  Worker worker(&world, {{0, 3}}, setup);
  ASSERT_TRUE(worker.Assign().ok());
  worker.AddAll();
  ASSERT_TRUE(worker.FlushOnce().ok());
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.delivered.size(), 1u);
  EXPECT_EQ(world.committed[0], 1);
  EXPECT_TRUE(worker.outbox->TakesMore());
  EXPECT_GT(worker.outbox->FlushAt(), world.now + seconds(5));
  world.now += seconds(60);
  ASSERT_TRUE(worker.FlushOnce().ok());
  EXPECT_EQ(world.committed[0], 2);
}

TEST(OutboxTest, MemoryIsBounded) {
  World world;
  Behaviour setup;
  setup.throttle = Throttle(1, seconds(600));
  Worker worker(&world, {{0, 1'000'000}}, setup);
  ASSERT_TRUE(worker.Assign().ok());
  int64_t taken = 0;
  for (; taken < 1'000'000 && worker.outbox->TakesMore(); ++taken) worker.Add(0, taken);
  EXPECT_EQ(taken, static_cast<int64_t>(Outbox::kMaxEvents));
}

TEST(OutboxTest, AKafkaThatDoesNotTakeTheAttemptStopsTheSend) {
  World world;
  Worker worker(&world, {{0, 1}});
  ASSERT_TRUE(worker.Assign().ok());
  worker.AddAll();
  ASSERT_TRUE(worker.FlushOnce().ok());
  worker.log.fail_flushes = 2;
  EXPECT_TRUE(absl::IsUnavailable(worker.FlushOnce()));
  EXPECT_THAT(world.delivered, IsEmpty());
  EXPECT_TRUE(worker.FlushOnce().ok());
  ASSERT_EQ(world.delivered.size(), 1u);
  EXPECT_FALSE(world.delivered[0].repeat);
}

TEST(OutboxTest, PartitionsThatMoveTakeTheirDutiesAlong) {
  // A group over both partitions, its answer lost; then each partition goes to another worker.
  World world;
  world.answers = {Answer(Outcome::kAnswerLost)};
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(1), .max = 100};
  Worker first(&world, {{0, 2}, {1, 2}}, setup);
  ASSERT_TRUE(first.Assign().ok());
  first.AddAll();
  ASSERT_TRUE(first.FlushOnce().ok());
  world.now += seconds(1);
  EXPECT_TRUE(absl::IsUnavailable(first.FlushOnce()));
  ASSERT_EQ(world.delivered.size(), 1u);
  first.outbox->Release({0, 1});
  EXPECT_EQ(first.outbox->FlushAt(), world.now + seconds(0));  // only commits are left, of nothing
  EXPECT_THAT(first.outbox->Committable(), IsEmpty());

  Worker home(&world, {{0, 2}}, setup);
  Worker other(&world, {{1, 2}}, setup);
  other.Run();
  EXPECT_EQ(world.delivered.size(), 1u) << "the other partition's owner leaves it to the home";
  home.Run();
  ASSERT_EQ(world.delivered.size(), 2u);
  CheckPromise(world, {{0, 2}, {1, 2}}, setup);
}

TEST(OutboxTest, APartitionThatStaysKeepsItsEventsWhenAnotherGoes) {
  World world;
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(1), .max = 100};
  Worker first(&world, {{0, 2}, {1, 2}}, setup);
  ASSERT_TRUE(first.Assign().ok());
  first.AddAll();
  ASSERT_TRUE(first.FlushOnce().ok());
  first.outbox->Release({0});
  world.now += seconds(1);
  ASSERT_TRUE(first.FlushOnce().ok());
  ASSERT_EQ(world.delivered.size(), 1u);
  EXPECT_EQ(world.delivered[0].body, "event 1/0\nevent 1/1");
  Worker(&world, {{0, 2}}, setup).Run();
  CheckPromise(world, {{0, 2}, {1, 2}}, setup);
}

TEST(OutboxTest, ARepeatThatIsRefusedNamesTheEventsThatWentElsewhere) {
  World world;
  world.answers = {Answer(Outcome::kAnswerLost)};
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(1), .max = 100};
  {
    Worker first(&world, {{0, 1}, {1, 1}}, setup);
    ASSERT_TRUE(first.Assign().ok());
    first.AddAll();
    ASSERT_TRUE(first.FlushOnce().ok());
    world.now += seconds(1);
    EXPECT_FALSE(first.FlushOnce().ok());
  }
  Worker(&world, {{1, 1}}, setup).Run();
  world.answers = {Answer(Outcome::kRejected)};
  Worker(&world, {{0, 1}}, setup).Run();
  ASSERT_EQ(world.dead.size(), 2u);
  EXPECT_EQ(world.dead[0].first, "event 0/0");
  EXPECT_THAT(world.dead[1].first, ::testing::HasSubstr("\"body\":\"event 0/0\\nevent 1/0\""));
}

TEST(OutboxTest, ATopicCreatedAgainIsAnotherLife) {
  World world;
  Worker(&world, {{0, 2}}).Run();
  world.committed.clear();  // Kafka forgets the commits together with the topic
  Worker(&world, {{0, 2}}).Run();
  ASSERT_EQ(world.delivered.size(), 4u);
  EXPECT_NE(world.delivered[0].id, world.delivered[2].id);
  for (const auto& delivery : world.delivered) EXPECT_FALSE(delivery.repeat);
}

}  // namespace
}  // namespace levada::notify
