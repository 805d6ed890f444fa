#include "cli/test/watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

constexpr int kSettleMs = 50;

}  // namespace

// Folders are watched: a file that is replaced is another one.
FileWatch::FileWatch(const std::set<std::string>& files) : inotify_(inotify_init1(IN_CLOEXEC)) {
  for (const std::string& file : files) {
    const std::filesystem::path path(file);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const int watch = inotify_add_watch(inotify_, folder.c_str(),
                                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE);
    if (watch >= 0) wanted_.emplace(watch, path.filename().string());
  }
}

FileWatch::~FileWatch() {
  if (inotify_ >= 0) close(inotify_);
}

absl::Status FileWatch::Wait() {
  bool changed = false;
  while (true) {
    pollfd ready{inotify_, POLLIN, 0};
    const int count = poll(&ready, 1, changed ? kSettleMs : -1);
    if (count == 0) return absl::OkStatus();
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(base::StrCat("cannot watch: ", strerror(errno)));
    changed = ReadEvents() || changed;
  }
}

bool FileWatch::ReadEvents() {
  alignas(inotify_event) char buffer[16 << 10];
  const ssize_t size = read(inotify_, buffer, sizeof(buffer));
  bool found = false;
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    found = found || (event->len > 0 && wanted_.contains({event->wd, event->name}));
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  return found;
}

}  // namespace levada::cli
