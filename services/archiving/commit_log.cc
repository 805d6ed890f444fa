#include "services/archiving/commit_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "services/archiving/disk.h"

namespace levada::archiving {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCommits = "_levada/commits";
constexpr std::string_view kTemp = "_levada/temp";
constexpr std::string_view kLeases = "_levada/leases";
constexpr int64_t kKeptCommits = 100;

std::string NewOwner() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

bool Exists(const std::string& path) {
  struct stat entry;
  return lstat(path.c_str(), &entry) == 0;
}

nlink_t LinksOf(const std::string& path) {
  struct stat entry;
  return lstat(path.c_str(), &entry) == 0 ? entry.st_nlink : 0;
}

// Names in a folder; none where it is not there.
std::set<std::string> Names(const std::string& folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    names.insert(at->path().filename().string());
  }
  return names;
}

}  // namespace

CommitLog::CommitLog(std::string folder, StepHook hook)
    : folder_(std::move(folder)), hook_(std::move(hook)), owner_(NewOwner()) {}

CommitLog::~CommitLog() {
  if (lease_fd_ < 0) return;
  // In good order: nothing of ours is left for others to take over. What was committed and cannot
  // be published now stays, with a lease that nobody holds.
  if (PublishAll().ok() && RemoveLeftovers(owner_).ok()) {
    (void)RemoveFile(FullPath(base::StrCat(kLeases, "/", owner_)));
  }
  close(lease_fd_);
}

std::string CommitLog::FullPath(std::string_view below) const {
  return base::StrCat(folder_, "/", below);
}

std::string CommitLog::temp_folder() const { return base::StrCat(kTemp, "/", owner_); }

std::string CommitLog::PathOf(int64_t version) const {
  char name[32];
  std::snprintf(name, sizeof name, "%020lld.json", static_cast<long long>(version));
  return FullPath(base::StrCat(kCommits, "/", name));
}

void CommitLog::Step(std::string_view step) const {
  if (hook_) hook_(step);
}

absl::Status CommitLog::Open() {
  if (is_open_) return absl::OkStatus();
  for (const std::string_view below : {kCommits, kTemp, kLeases}) {
    if (absl::Status made = MakeFolders(FullPath(below)); !made.ok()) return made;
  }
  if (lease_fd_ < 0) {
    if (absl::Status leased = TakeLease(); !leased.ok()) return leased;
  }
  absl::Status made = MakeFolders(FullPath(temp_folder()));
  is_open_ = made.ok();
  return made;
}

absl::Status CommitLog::TakeLease() {
  // Locked before it has its name: whoever sees a lease without a lock knows that its owner is
  // dead.
  const std::string unnamed = FullPath(base::StrCat(kLeases, "/.", owner_));
  const std::string lease = FullPath(base::StrCat(kLeases, "/", owner_));
  const int fd = open(unnamed.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return ErrnoStatus(errno, unnamed);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 || rename(unnamed.c_str(), lease.c_str()) != 0) {
    const int error = errno;
    close(fd);
    return ErrnoStatus(error, lease);
  }
  lease_fd_ = fd;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> CommitLog::Versions() const {
  std::vector<int64_t> versions;
  for (const std::string& name : Names(FullPath(kCommits))) {
    int64_t version = 0;
    if (name.size() == 25 && name.ends_with(".json") &&
        absl::SimpleAtoi(name.substr(0, 20), &version)) {
      versions.push_back(version);
    }
  }
  return versions;  // in order, since the names are padded
}

absl::StatusOr<Commit> CommitLog::Read(int64_t version) const {
  auto text = ReadWhole(PathOf(version));
  if (!text.ok()) return text.status();
  auto commit = ParseCommit(*text);
  if (!commit.ok()) {
    return absl::DataLossError(base::StrCat(PathOf(version), ": ", commit.status().message()));
  }
  return commit;
}

absl::StatusOr<Commit> CommitLog::Newest() {
  auto versions = Versions();
  if (!versions.ok()) return versions.status();
  if (versions->empty()) return Commit();
  return Read(versions->back());
}

absl::Status CommitLog::Create(const Commit& commit) {
  const std::string path = PathOf(commit.version);
  const std::string written = FullPath(base::StrCat(kCommits, "/.", owner_, ".tmp"));
  if (absl::Status removed = RemoveFile(written); !removed.ok()) return removed;
  Step("write commit");
  auto file = TempFile::Create(written);
  if (!file.ok()) return file.status();
  (*file)->Append(ToJson(commit));
  absl::Status synced = (*file)->Sync();
  if (!synced.ok()) {
    (void)RemoveFile(written);
    return absl::IsAborted(synced) ? absl::UnavailableError(synced.message()) : synced;
  }
  Step("link commit");
  // link, not rename: it does not replace a commit that another worker has put there.
  int error = link(written.c_str(), path.c_str()) == 0 ? 0 : errno;
  // Over a network the answer may have been lost and the repetition refused: count the names.
  if (error != 0 && LinksOf(written) == 2) error = 0;
  Step("commit linked");
  (void)RemoveFile(written);
  if (error == EEXIST) return absl::AlreadyExistsError(path);
  if (error != 0) return ErrnoStatus(error, path);
  absl::Status durable = SyncFolder(FullPath(kCommits));
  // It is there, and others may have seen it, but a crash might still undo it.
  return durable.ok() ? durable : absl::DataLossError(durable.message());
}

absl::Status CommitLog::Publish(const Commit& commit) {
  std::set<std::string> folders;
  for (const CommittedFile& file : commit.files) {
    const std::string temp = FullPath(file.temp);
    if (!Exists(temp)) continue;
    const std::string path = FullPath(file.path);
    const std::string folder = fs::path(path).parent_path().string();
    if (absl::Status made = MakeFolders(folder); !made.ok()) return made;
    Step("publish file");
    // Another worker may have done it since.
    if (rename(temp.c_str(), path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path);
    folders.insert(folder);
  }
  for (const std::string& folder : folders) {
    if (absl::Status synced = SyncFolder(folder); !synced.ok()) return synced;
  }
  return absl::OkStatus();
}

absl::Status CommitLog::PublishAll() {
  auto versions = Versions();
  if (!versions.ok()) return versions.status();
  for (const int64_t version : *versions) {
    auto commit = Read(version);
    if (absl::IsNotFound(commit.status())) continue;  // pruned since
    if (!commit.ok()) return commit.status();
    if (absl::Status published = Publish(*commit); !published.ok()) return published;
  }
  return absl::OkStatus();
}

bool CommitLog::TakeOver(const std::string& owner, int* fd) const {
  *fd = -1;
  if (owner == owner_) return false;
  const std::string lease = FullPath(base::StrCat(kLeases, "/", owner));
  const int opened = open(lease.c_str(), O_RDWR | O_CLOEXEC);
  if (opened < 0) return errno == ENOENT;  // the lease is the last thing to be removed
  if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
    close(opened);
    return false;
  }
  *fd = opened;
  return true;
}

absl::Status CommitLog::RemoveLeftovers(const std::string& owner) {
  const std::string folder = FullPath(base::StrCat(kTemp, "/", owner));
  for (const std::string& name : Names(folder)) {
    if (absl::Status removed = RemoveFile(base::StrCat(folder, "/", name)); !removed.ok()) {
      return removed;
    }
  }
  rmdir(folder.c_str());
  return RemoveFile(FullPath(base::StrCat(kCommits, "/.", owner, ".tmp")));
}

absl::Status CommitLog::Recover() {
  std::set<std::string> owners = Names(FullPath(kTemp));
  owners.merge(Names(FullPath(kLeases)));
  std::vector<std::pair<std::string, int>> dead;
  for (const std::string& owner : owners) {
    int fd = -1;
    if (!owner.starts_with('.') && TakeOver(owner, &fd)) dead.emplace_back(owner, fd);
  }
  // Only now: what the dead have committed is known, since they can commit no more.
  absl::Status status = PublishAll();
  for (const auto& [owner, fd] : dead) {
    if (status.ok()) {
      Step("remove leftovers");
      status = RemoveLeftovers(owner);
      if (status.ok()) status = RemoveFile(FullPath(base::StrCat(kLeases, "/", owner)));
    }
    if (fd >= 0) close(fd);
  }
  return status;
}

void CommitLog::Prune(int64_t newest) {
  auto versions = Versions();
  if (!versions.ok()) return;
  for (const int64_t version : *versions) {
    if (version > newest - kKeptCommits) return;
    // Its files must have their names before it is forgotten.
    auto commit = Read(version);
    if (!commit.ok() || !Publish(*commit).ok()) return;
    (void)RemoveFile(PathOf(version));
  }
}

}  // namespace levada::archiving
