#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"

namespace levada::cli {

// Waits until one of the files is written, replaced, made or removed; editors do it in several
// steps, so it returns a moment after the last of them. It begins to listen when it is made: what
// changes between that and Wait is not missed.
//
//   FileWatch watch(files);
//   RunTests();
//   watch.Wait();
//
// Threads: one.
class FileWatch {
 public:
  explicit FileWatch(const std::set<std::string>& files);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch();

  absl::Status Wait();

 private:
  // True where one of the files is among what was read.
  bool ReadEvents();

  int inotify_ = -1;
  std::set<std::pair<int, std::string>> wanted_;  // watch of the folder, name of the file
};

}  // namespace levada::cli
