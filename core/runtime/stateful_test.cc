// State over failures, on a real Kafka: a processor that counts by key, whose sessions end in every
// place they can.

#include "core/runtime/stateful.h"

#include "core/runtime/stateful_testing.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class EndedInAPhase : public StatefulTest, public testing::WithParamInterface<Phase> {};

TEST_P(EndedInAPhase, EachEventCountsOnce) {
  Counting counting(scene_.out, log_);
  base::Random random(7);
  std::atomic<int> ended{0};
  // Once there is something to restore.
  counting.ends = [&](Phase phase) {
    if (phase != GetParam() || ended == 5 || Committed() < 100) return false;
    if (random.Below(3) != 0) return false;
    ++ended;
    return true;
  };
  int written = 0;
  {
    RunningCount worker(scene_, counting, "one");
    const bool on_its_own = GetParam() != Phase::kRestore;
    while (written < 1500 || (on_its_own && ended < 5 && written < 30'000)) {
      WriteKeys(scene_.in, Keys(100));
      written += 100;
      ASSERT_TRUE(Eventually([&] { return Committed() > written - 300; }))
          << worker.control().message();
    }
    // A session that is ended in Restore needs one before it that is ended elsewhere.
    if (!on_its_own) {
      counting.ends = [&](Phase phase) {
        return ended < 6 && (phase == Phase::kRestore || ended == 0) && ++ended > 0;
      };
    }
    ASSERT_TRUE(Eventually([&] { return Committed() >= written && ended >= 5; })) << ended;
    ASSERT_TRUE(worker.Drain().ok());
  }
  EXPECT_EQ(Results(), Counts(written));
}

INSTANTIATE_TEST_SUITE_P(Phases, EndedInAPhase,
                         testing::Values(Phase::kProcess, Phase::kRestore, Phase::kTick,
                                         Phase::kCommit));

TEST_F(StatefulTest, StateGoesWithItsPartitions) {
  Counting first(scene_.out, log_);
  Counting second(scene_.out, log_);
  int written = 0;
  const auto write = [&] {
    for (int i = 0; i < 10; ++i) WriteKeys(scene_.in, Keys(100)), written += 100;
  };
  {
    RunningCount one(scene_, first);
    write();
    ASSERT_TRUE(Eventually([&] { return Committed() > 0; }));
    for (int i = 0; i < 3; ++i) {
      const int before = second.restored;
      RunningCount two(scene_, second);
      write();
      ASSERT_TRUE(Eventually([&] { return second.restored > before; }));
      write();
      ASSERT_TRUE(two.Drain().ok());
    }
    write();
    ASSERT_TRUE(Eventually([&] { return Committed() >= written; })) << one.control().message();
    ASSERT_TRUE(one.Drain().ok());
  }
  EXPECT_EQ(Results(), Counts(written));
}

TEST_F(StatefulTest, AnInputThatGrewAwayFromItsStateIsRefused) {
  Counting counting(scene_.out, log_);
  RunningCount worker(scene_, counting);
  WriteKeys(scene_.in, Keys(40));
  ASSERT_TRUE(Eventually([&] { return Committed() >= 40; }));
  ASSERT_TRUE(admin_->Grow(scene_.in, 4).ok());
  ASSERT_TRUE(Eventually([&] {
    return worker.control().message().find("keys have come to other partitions") !=
           std::string::npos;
  })) << worker.control().message();
  EXPECT_THAT(worker.control().message(),
              HasSubstr(scene_.in + " has 4 partitions, but its state, " + log_ + ", has 3"));
}

TEST_F(StatefulTest, TablesAreThereBeforeTheFirstEventAndAreFollowed) {
  Create({{table_, 2, -1, {{"cleanup.policy", "compact"}}}});
  WriteKeys(table_, Keys(kKeys - 1));
  WriteKeys(scene_.in, Keys(kKeys));  // of which the last has no row
  Counting counting(scene_.out, log_, {table_});
  RunningCount worker(scene_, counting);
  ASSERT_TRUE(Eventually([&] { return Committed() >= kKeys; })) << worker.control().message();
  EXPECT_EQ(Results(), Counts(kKeys - 1));
  WriteKeys(table_, {base::StrCat("k", kKeys - 1)});
  WriteKeys(table_, {"k0"}, "");
  // The table is followed by a reader of its own: an event may be earlier.
  ASSERT_TRUE(Eventually([&] {
    WriteKeys(scene_.in, {base::StrCat("k", kKeys - 1)});
    std::this_thread::sleep_for(milliseconds(200));
    return Results().size() >= kKeys;
  }));
  const int64_t before = Committed();
  const size_t results = Results().size();
  std::this_thread::sleep_for(milliseconds(200));
  WriteKeys(scene_.in, {"k0"});
  ASSERT_TRUE(Eventually([&] { return Committed() > before; }));
  EXPECT_EQ(Results().size(), results);
  ASSERT_TRUE(worker.Drain().ok());
}

// A log is read from its beginning each time a partition is added, whatever was left in the
// client's queue.
TEST_F(StatefulTest, APartitionThatComesAgainIsReadAnew) {
  WriteKeys(log_, Keys(3000));
  auto reader = kafka::LogReader::Open(scene_.kafka, log_);
  ASSERT_TRUE(reader.ok());
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE((*reader)->Add(0).ok());
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    int64_t first = -1;
    while (first < 0 && std::chrono::steady_clock::now() < until) {
      auto batch = (*reader)->Poll(10, milliseconds(100));
      if (batch.ok() && !batch->empty()) first = (*batch)[0].offset;
    }
    EXPECT_EQ(first, 0) << "round " << round;
    ASSERT_TRUE((*reader)->Remove(0).ok());
  }
}

}  // namespace
}  // namespace levada::runtime
