#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Event time where a topic mixes events of several partitions of another one: a stage that re-keys
// (core/pipeline/expand.h) reads its partitions at different speeds, and what it writes comes
// together by other keys. So it says with each record which partition that comes from and how far
// the time of that partition had come; who reads keeps a clock for each of these sources.
//
//   SourceTime told{.source = 3, .of = 6, .time_us = 1750000000000000};
//   told.Text()                              // "3/6 1750000000000000", the header levada-source
//   sources.Take(told);
//   sources.time_us();                       // of the source that is farthest behind
//
// A source of which nothing was heard yet holds time back like one that is behind: it may just not
// have been read. One that is idle (it was read to its end, and then nothing came for a while)
// holds nothing back; where all are idle, the time is that of the farthest.
//
// With several hops the sources are the partitions that the last one read, and their time is what
// their reader made of its own sources; so what is behind anywhere holds back all that follows.
//
// Threads: one at a time.
namespace levada::scoring {

inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();
// Before all events, and far enough from the end of the numbers to subtract spans of time.
inline constexpr int64_t kLongAgo = kNoTime / 4;

struct SourceTime {
  int32_t source = 0;
  int32_t of = 0;  // how many there are
  int64_t time_us = kNoTime;
  bool idle = false;

  // text := source "/" of [" " time_us] [" idle"]
  void AppendTo(std::string* text) const;
  std::string Text() const;
  // False: it is none.
  bool Read(std::string_view text);
};

class Sources {
 public:
  // More than Kafka has partitions: what tells of more is damaged.
  static constexpr int32_t kMax = 100'000;

  void Take(const SourceTime& told);
  // kNoTime: not known.
  int64_t time_us() const { return time_us_; }
  bool empty() const { return sources_.empty(); }
  // All of them are.
  bool idle() const { return idle_; }

  // As the changelog has it: key = source:u32, value = i64 time, u8 idle. False: it is not from
  // here.
  bool Restore(std::string_view key, std::string_view value);
  // Calls `visit(key, value)` for each that changed since the last call; and for each of which
  // something is known.
  template <typename Visit>
  void TakeChanged(Visit&& visit) {
    if (!changed_) return;
    changed_ = false;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (std::exchange(sources_[i].changed, false)) visit(Key(i), Value(sources_[i]));
    }
  }
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (size_t i = 0; i < sources_.size(); ++i) {
      const Source& source = sources_[i];
      if (source.time_us != kNoTime || source.idle) visit(Key(i), Value(source));
    }
  }

 private:
  struct Source {
    int64_t time_us = kNoTime;
    bool idle = false;
    bool changed = false;  // since TakeChanged
  };

  static std::string Key(size_t number);
  static std::string Value(const Source& source);
  void Look();

  std::vector<Source> sources_;
  int64_t time_us_ = kNoTime;
  bool idle_ = false;
  bool changed_ = false;
};

}  // namespace levada::scoring
