#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

// The lines of a log file, and those that are added to it.
//
//   LogFile file("detect.log", 100);
//   file.Read([](std::string_view line) { std::cout << line << '\n'; });   // the last 100
//   file.Read(...);                                                        // what is new since
//
// A file that is not there has no lines yet. One that was replaced is read from its beginning, one
// that was cut too. A line counts when its line break is there.
//
// Threads: one.
namespace levada::cli {

class LogFile {
 public:
  // `tail`: lines of the first Read; -1: all.
  LogFile(std::string path, int tail) : path_(std::move(path)), tail_(tail) {}
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  void Read(const std::function<void(std::string_view line)>& each);

 private:
  bool Open();
  void Close();
  // Where the last `tail_` lines begin.
  off_t TailBegin(off_t size) const;

  const std::string path_;
  const int tail_;
  bool first_ = true;
  int file_ = -1;
  ino_t inode_ = 0;
  off_t at_ = 0;
  std::string rest_;  // of a line without its end
};

}  // namespace levada::cli
