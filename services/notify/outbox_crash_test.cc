#include "services/notify/outbox.h"
#include "services/notify/outbox_world.h"

namespace levada::notify {
namespace {

using std::chrono::seconds;

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

TEST(OutboxCrashTest, NothingIsMissingAndRepeatsAreMarkedWhereverItIsKilled) {
  EXPECT_GT(EveryCrash({{0, 3}, {1, 2}}, {}, {}), 30);
}

TEST(OutboxCrashTest, TheSameWithGroupsOverPartitions) {
  Behaviour setup;
  setup.group = Outbox::Grouping{.wait = seconds(30), .max = 4};
  EXPECT_GT(EveryCrash({{0, 5}, {1, 4}}, setup, {}), 15);
}

TEST(OutboxCrashTest, TheSameWithAConditionAndAThrottle) {
  Behaviour setup;
  setup.throttle = Throttle(1, seconds(60));
  setup.wanted = [](int32_t, int64_t offset) { return offset % 2 == 0; };
  EXPECT_GT(EveryCrash({{0, 5}}, setup, {}), 15);
}

TEST(OutboxCrashTest, TheSameWithEveryKindOfAnswer) {
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

}  // namespace
}  // namespace levada::notify
