// State that is restored from snapshots, on a real Kafka.

#include <filesystem>

#include "core/runtime/snapshots.h"
#include "core/runtime/stateful_testing.h"

namespace levada::runtime {
namespace {

class RestoreTest : public StatefulTest {
 protected:
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    StatefulTest::TearDown();
  }

  // Some events more by a worker of its own; how many records it has read to begin.
  int Go(int events, const std::string& folder) {
    scene_.state_dir = folder;
    Counting counting(scene_.out, log_);
    RunningCount worker(scene_, counting, "one");
    EXPECT_TRUE(Eventually([&] { return worker.control().state() == State::kRunning; }))
        << worker.control().message();
    for (const int end = written_ + events; written_ < end; written_ += 100) {
      WriteKeys(scene_.in, Keys(100));
      EXPECT_TRUE(Eventually([&] { return Committed() >= written_ + 100; }))
          << worker.control().message();
    }
    EXPECT_TRUE(worker.Drain().ok());
    return counting.restored;
  }

  const std::string folder_ = testing::TempDir() + scene_.id;
  int written_ = 0;
};

TEST_F(RestoreTest, ASnapshotSparesReadingTheChangelog) {
  Go(3000, folder_);  // 600 records of it, or more
  EXPECT_LT(Go(500, folder_), 2 * kKeys);
  EXPECT_LT(Go(0, folder_), 2 * kKeys);
  EXPECT_GE(Go(500, ""), 600);
  // Behind the snapshot is what the worker without one has done.
  const int tail = Go(500, folder_);
  EXPECT_GT(tail, 100);
  EXPECT_LT(tail, 600);
  EXPECT_EQ(Results(), Counts(written_));
}

// Sessions that fail at random, with a snapshot every 50 ms.
TEST_F(RestoreTest, EachEventCountsOnceWhateverSnapshotsThereAre) {
  scene_.state_dir = folder_;
  Counting counting(scene_.out, log_);
  base::Random random(11);
  std::atomic<int> ended{0};
  counting.ends = [&](Phase) { return random.Below(15) == 0 && ++ended > 0; };
  RunningCount worker(scene_, counting, "one");
  while (written_ < 200'000 && (written_ < 4000 || ended < 8)) {
    WriteKeys(scene_.in, Keys(100));
    written_ += 100;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_GE(ended, 8);
  ASSERT_TRUE(Eventually([&] { return Committed() >= written_; })) << worker.control().message();
  counting.ends = [](Phase) { return false; };
  ASSERT_TRUE(worker.Drain().ok());
  EXPECT_EQ(Results(), Counts(written_));
}

TEST_F(RestoreTest, ASnapshotOfAChangelogThatWasCreatedAgainIsNotUsed) {
  Go(500, folder_);
  ASSERT_TRUE(admin_->Delete({log_}).ok());
  ASSERT_TRUE(Eventually([&] {
    return admin_->Create({{log_, kPartitions, -1, kChangelog}}).ok();
  }));
  // It counts from the beginning, and further than the snapshots are.
  const int before = written_;
  Go(1500, folder_ + "/another");
  EXPECT_GT(Go(500, folder_), 200);
  std::vector<std::string> expected = Counts(before);
  for (const std::string& count : Counts(written_ - before)) expected.push_back(count);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Results(), expected);
}

TEST_F(RestoreTest, ADamagedSnapshotIsNotUsed) {
  Go(1000, folder_);
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/snapshots")) {
    if (entry.path().extension() != ".snapshot") continue;
    // Found when all else is loaded.
    std::filesystem::resize_file(entry, entry.file_size() - 1);
    ++damaged;
  }
  EXPECT_EQ(damaged, kPartitions);
  EXPECT_GT(Go(500, folder_), 200);
  EXPECT_LT(Go(500, folder_), 2 * kKeys) << "there are new ones";
  EXPECT_EQ(Results(), Counts(written_));
}

}  // namespace
}  // namespace levada::runtime
