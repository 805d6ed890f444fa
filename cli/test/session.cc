#include "cli/test/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/strings.h"

extern char** environ;

namespace levada::cli {
namespace {

// A stage that takes longer hangs: tests take milliseconds, loading a model perhaps seconds.
constexpr int kAnswerWithinMs = 60'000;
constexpr int kSliceFile = 3;
constexpr int kWrongManifest = 2;  // core/runtime/main.cc

// A file without a name.
int MemoryFile(const char* name) { return memfd_create(name, MFD_CLOEXEC); }

absl::Status Failed(std::string_view what) {
  return absl::UnavailableError(base::StrCat(what, ": ", strerror(errno)));
}

absl::Status WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("cannot write");
    text.remove_prefix(written);
  }
  return absl::OkStatus();
}

// The descriptors of a child, by their numbers there. Those it has no use for are closed on exec.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int in, int out, int error,
                            int slice) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  // `slice` first: what is at its number there is not needed any more.
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, error, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, slice, kSliceFile);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (failed == 0) return pid;
  return absl::UnavailableError(base::StrCat("cannot start ", command[0], ": ", strerror(failed)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Start(const std::vector<std::string>& command,
                                                        const std::string& slice) {
  std::unique_ptr<Session> session(new Session);
  const int slice_file = MemoryFile("slice");
  session->said_ = MemoryFile("said");
  int requests[2] = {-1, -1}, answers[2] = {-1, -1};
  if (slice_file < 0 || session->said_ < 0 || pipe2(requests, O_CLOEXEC) != 0 ||
      pipe2(answers, O_CLOEXEC) != 0) {
    return Failed("cannot make a pipe");
  }
  session->in_ = requests[1];
  session->out_ = answers[0];
  absl::Status status = WriteAll(slice_file, slice);
  lseek(slice_file, 0, SEEK_SET);
  if (status.ok()) {
    auto pid = Spawn(command, requests[0], answers[1], session->said_, slice_file);
    status = pid.status();
    if (pid.ok()) session->pid_ = *pid;
  }
  for (const int file : {slice_file, requests[0], answers[1]}) close(file);
  if (!status.ok()) return status;
  return session;
}

Session::~Session() {
  if (in_ >= 0) close(in_);  // the end of its input ends it
  if (out_ >= 0) close(out_);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);  // nothing it has is worth waiting for
    waitpid(pid_, nullptr, 0);
  }
  if (said_ >= 0) close(said_);
}

absl::StatusOr<nlohmann::json> Session::Ask(const nlohmann::json& request) {
  if (absl::Status status = Send(request); !status.ok()) return status;
  return Receive();
}

absl::Status Session::Send(const nlohmann::json& request) {
  const std::string line =
      request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  // A process that has ended is told of by Receive, which knows why.
  WriteAll(in_, line).IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> Session::Receive() {
  size_t end = std::string::npos;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    pollfd ready{out_, POLLIN, 0};
    const int count = poll(&ready, 1, kAnswerWithinMs);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return absl::UnavailableError("it does not answer");
    char chunk[64 << 10];
    const ssize_t size = read(out_, chunk, sizeof(chunk));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Ended();
    buffer_.append(chunk, size);
  }
  auto answer = nlohmann::json::parse(buffer_.substr(0, end), nullptr, /*allow_exceptions=*/false);
  buffer_.erase(0, end + 1);
  if (!answer.is_object()) return absl::UnavailableError("its answer cannot be read");
  if (answer.contains("error")) return absl::InternalError(answer["error"].get<std::string>());
  return answer;
}

absl::Status Session::Ended() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  std::string said(4096, '\0');
  said.resize(std::max<ssize_t>(0, pread(said_, said.data(), said.size(), 0)));
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (WIFEXITED(status) && WEXITSTATUS(status) == kWrongManifest) {
    return absl::InvalidArgumentError(said);
  }
  const std::string end = WIFSIGNALED(status)
                              ? base::StrCat("killed by SIG", sigabbrev_np(WTERMSIG(status)))
                              : base::StrCat("ended with code ", WEXITSTATUS(status));
  return absl::UnavailableError(said.empty() ? end : base::StrCat(end, ": ", said));
}

}  // namespace levada::cli
