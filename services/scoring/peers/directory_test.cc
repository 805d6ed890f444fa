#include "services/scoring/peers/directory.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace levada::scoring::peers {
namespace {

using Clock = Directory::Clock;
using testing::HasSubstr;

constexpr Clock::time_point kEver = Clock::time_point::min();

// What the looks of a test find, and how many there were.
class World {
 public:
  Look look() {
    return [this]() -> absl::StatusOr<Owners> {
      EXPECT_EQ(++looking_, 1) << "two looks at the same time";
      ++looks;
      absl::StatusOr<Owners> found;
      {
        const std::lock_guard lock(mutex_);
        found = found_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      --looking_;
      return found;
    };
  }
  void Set(absl::StatusOr<Owners> found) {
    const std::lock_guard lock(mutex_);
    found_ = std::move(found);
  }

  std::atomic<int> looks{0};

 private:
  std::atomic<int> looking_{0};
  std::mutex mutex_;
  absl::StatusOr<Owners> found_ = Owners{{0, "a"}, {1, "b"}};
};

absl::StatusOr<std::string> Find(Directory& directory, int32_t partition,
                                 Clock::time_point not_before = kEver) {
  auto said = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
  directory.Find(partition, not_before,
                 [said](absl::StatusOr<std::string> found) { said->set_value(std::move(found)); });
  return said->get_future().get();
}

TEST(DirectoryTest, LooksOnceForWhatItThenKnows) {
  World world;
  const auto directory = NewDirectory(world.look());
  EXPECT_EQ(*Find(*directory, 0), "a");
  EXPECT_EQ(*Find(*directory, 1), "b");
  EXPECT_EQ(world.looks, 1);
}

TEST(DirectoryTest, LooksAgainForWhatItDoesNotKnowOrWhatProvedWrong) {
  World world;
  const auto directory = NewDirectory(world.look());
  EXPECT_THAT(Find(*directory, 2).status().message(), HasSubstr("partition 2"));
  world.Set(Owners{{0, "b"}, {2, "c"}});
  EXPECT_EQ(*Find(*directory, 2), "c");
  world.Set(Owners{{0, "d"}});
  EXPECT_EQ(*Find(*directory, 0), "b") << "it is fresh";
  EXPECT_EQ(*Find(*directory, 0, Clock::now()), "d");
  EXPECT_TRUE(absl::IsUnavailable(Find(*directory, 2).status())) << "nobody has it any more";
}

TEST(DirectoryTest, WhatWasSeenHoldsWhileLookingFails) {
  World world;
  const auto directory = NewDirectory(world.look());
  EXPECT_EQ(*Find(*directory, 0), "a");
  world.Set(absl::PermissionDeniedError("not for you"));
  EXPECT_EQ(*Find(*directory, 0, Clock::now()), "a");
  const absl::Status unknown = Find(*directory, 7).status();
  EXPECT_TRUE(absl::IsUnavailable(unknown)) << "it may pass, whatever it is";
  EXPECT_EQ(unknown.message(), "not for you");
}

TEST(DirectoryTest, ManyWhoAskAtTheSameTimeWaitForFewLooks) {
  World world;
  const auto directory = NewDirectory(world.look());
  std::atomic<int> right{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 2000; ++call) {
        directory->Find(call % 2, Clock::now(), [&](absl::StatusOr<std::string> found) {
          found.ok() ? ++right : ++refused;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(refused, 1) << "who waits is bounded";
  while (right + refused < 16'000) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GE(right, 4096);
  EXPECT_LE(world.looks, 10);
}

TEST(DirectoryTest, WhoWaitsIsAnsweredAtTheEnd) {
  World world;
  auto directory = NewDirectory(world.look());
  EXPECT_EQ(*Find(*directory, 0), "a");
  int answered = 0;
  // The next look is not yet due.
  directory->Find(0, Clock::now(), [&](const absl::StatusOr<std::string>&) { ++answered; });
  directory.reset();
  EXPECT_EQ(answered, 1);
}

}  // namespace
}  // namespace levada::scoring::peers
