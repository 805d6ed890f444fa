#include "cli/run/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

// Between fork and exec: only what is safe there.
[[noreturn]] void Become(const std::vector<char*>& argv, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // it ended before the line above
  // A Ctrl-C is for the runner: it drains the stages in order.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Process::~Process() {
  if (!running()) return;
  Signal(SIGKILL);
  Wait(std::chrono::seconds(5));
}

absl::Status Process::Start(const std::vector<std::string>& command, const std::string& log_file) {
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    return absl::UnavailableError(base::StrCat("cannot write ", log_file, ": ", strerror(errno)));
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) Become(argv, log, parent);
  close(log);
  if (child < 0) {
    return absl::UnavailableError(base::StrCat("cannot start ", command[0], ": ", strerror(errno)));
  }
  pid_ = child;
  return absl::OkStatus();
}

void Process::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

std::string Process::Exit::ToString() const {
  return signal != 0 ? base::StrCat("killed by SIG", sigabbrev_np(signal))
                     : base::StrCat("ended with code ", code);
}

std::optional<Process::Exit> Process::Poll() {
  if (pid_ <= 0) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  if (WIFSIGNALED(status)) return Exit{-1, WTERMSIG(status)};
  return Exit{WEXITSTATUS(status), 0};
}

std::optional<Process::Exit> Process::Wait(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (true) {
    if (auto exit = Poll()) return exit;
    if (!running() || std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace levada::cli
