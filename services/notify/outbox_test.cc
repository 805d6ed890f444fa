#include "services/notify/outbox.h"

#include "services/notify/outbox_world.h"

namespace levada::notify {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
