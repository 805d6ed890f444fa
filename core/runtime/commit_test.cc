// Workers that are killed while a commit is under way, on a real Kafka. Each is a process of its
// own: this program, as `runtime_commit_test worker ID DELAY_MS STATE_DIR`.

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/runtime/stateful_testing.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;

constexpr char kInstance[] = "one";

// Ends like kill -9 so long after a commit began. Where commits are answered sooner it tries an
// eighth earlier each time, so that it ends however fast the broker is.
int RunWorker(const std::string& id, milliseconds delay, const std::string& state_dir) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Scene scene(id);
  scene.state_dir = state_dir;
  Counting counting(scene.out, ChangelogOf(scene));
  RunningCount worker(scene, counting, kInstance);
  std::chrono::microseconds wait = delay;
  for (int seen = 0;;) {
    const int begun = counting.checkpoints();
    if (begun == seen) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    seen = begun;
    std::this_thread::sleep_for(wait);
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
  static pid_t Spawn(const Scene& scene, int delay_ms) {
    const std::string delay = base::StrCat(delay_ms);
    const char* arguments[] = {"runtime_commit_test",   "worker", scene.id.c_str(), delay.c_str(),
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
  for (const int delay_ms : {0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60}) {
    const pid_t pid = Spawn(scene_, delay_ms);
    int status = 0;
    bool ended = false;
    // A commit that was faster than the delay is not cut off: another one is to follow.
    ASSERT_TRUE(Eventually([&] {
      if (ended) return true;
      WriteKeys(scene_.in, Keys(kKeys));
      written += kKeys;
      return ended = waitpid(pid, &status, WNOHANG) == pid;
    })) << delay_ms;
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
    return levada::runtime::RunWorker(argv[2], std::chrono::milliseconds(std::atoi(argv[3])),
                                      argv[4]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
