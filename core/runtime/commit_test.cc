// Workers that are killed while a commit is under way, on a real Kafka. Each is a process of its
// own: this program, as `runtime_commit_test worker ID PERCENT STATE_DIR`.

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/runtime/stateful_testing.h"

namespace levada::runtime {
namespace {

constexpr char kInstance[] = "one";

// Ends like kill -9 in a commit, at so many percent of the time that the one before took. Where it
// is answered sooner it tries an eighth earlier each time, so that it ends however fast the broker
// is.
int RunWorker(const std::string& id, int percent, const std::string& state_dir) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Scene scene(id);
  scene.state_dir = state_dir;
  Counting counting(scene.out, ChangelogOf(scene));
  RunningCount worker(scene, counting, kInstance);
  const auto look_again = [] { std::this_thread::sleep_for(std::chrono::microseconds(100)); };
  std::chrono::nanoseconds wait{-1};
  for (int seen = 0;;) {
    const int begun = counting.AwaitCheckpoint(seen);
    seen = begun;
    if (begun == 0) continue;  // another session
    const auto began = std::chrono::steady_clock::now();
    if (wait < std::chrono::nanoseconds(0)) {
      while (counting.checkpoints() == begun && counting.committing()) look_again();
      wait = (std::chrono::steady_clock::now() - began) * percent / 100;
      continue;
    }
    std::this_thread::sleep_until(began + wait);
    if (counting.checkpoints() == begun && counting.committing()) raise(SIGKILL);
    wait -= wait / 8;
  }
}

// With snapshots, and without.
class CommitTest : public StatefulTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    StatefulTest::SetUp();
    if (GetParam()) scene_.state_dir = testing::TempDir() + scene_.id;
  }
  void TearDown() override {
    std::filesystem::remove_all(testing::TempDir() + scene_.id);
    StatefulTest::TearDown();
  }
  static pid_t Spawn(const Scene& scene, int percent) {
    const std::string when = base::StrCat(percent);
    const char* arguments[] = {"runtime_commit_test",   "worker", scene.id.c_str(), when.c_str(),
                               scene.state_dir.c_str(), nullptr};
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr,
                          const_cast<char* const*>(arguments), environ),
              0);
    return pid;
  }
};

TEST_P(CommitTest, EachEventCountsOnceWhereWorkersAreKilledInACommit) {
  int written = 0;
  for (int percent = 0; percent < 100; percent += 6) {
    const pid_t pid = Spawn(scene_, percent);
    int status = 0;
    bool ended = false;
    // It goes on through many commits.
    ASSERT_TRUE(Eventually([&] {
      if (ended) return true;
      WriteKeys(scene_.in, Keys(kKeys));
      written += kKeys;
      return ended = waitpid(pid, &status, WNOHANG) == pid;
    })) << percent;
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  Counting counting(scene_.out, log_);
  RunningCount worker(scene_, counting, kInstance);
  ASSERT_TRUE(Eventually([&] { return Committed() >= written; })) << worker.control().message();
  ASSERT_TRUE(worker.Drain().ok());
  EXPECT_EQ(Results(), Counts(written));
}

INSTANTIATE_TEST_SUITE_P(Snapshots, CommitTest, testing::Bool());

}  // namespace
}  // namespace levada::runtime

int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "worker") {
    return levada::runtime::RunWorker(argv[2], std::atoi(argv[3]), argv[4]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
