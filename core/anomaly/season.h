#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/anomaly/bytes.h"

// What is usual at a time of the day and of the week: for each of 24 parts of a day a slow mean
// over the days, interpolated between the parts' middles, and for each part of the week how far it
// differs from that. Instead of a day it may be another length; then seven of it are the week.
//
//   Season season(86'400'000);
//   std::optional<double> usual = season.Expected(time_ms);   // nothing: not known yet
//   season.Learn(time_ms, value);
//
// A part counts when it has been through once, of the week twice. A day moves a mean by three
// tenths of the difference, and no further than three times the usual deviation.
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

class Season {
 public:
  explicit Season(int64_t length_ms);

  std::optional<double> Expected(int64_t time_ms) const;
  void Learn(int64_t time_ms, double value);

  // season := begun:number [part:number sum:double count:number deviation:double deviations:number
  //           anchor:double (times:number [mean:float])*(24 + 168)]
  // `part` is that of all time since 1970 which values come in at; a mean stands where `times` is
  // not 0, relative to the anchor, of the week relative to the day's.
  void Serialize(ByteWriter& out) const;
  void Parse(ByteReader& in);
  size_t ByteSize() const {
    return means_.capacity() * sizeof(float) + times_.capacity() * sizeof(uint8_t);
  }

 private:
  int64_t PartOf(int64_t time_ms) const;
  void Close();

  double part_ms_;
  int64_t part_ = 0;
  double sum_ = 0;  // of the values in that part
  uint64_t count_ = 0;
  double deviation_ = 0;  // mean distance from what was expected
  uint64_t deviations_ = 0;
  double anchor_ = 0;         // the first value
  std::vector<float> means_;  // of the parts of a day, then of a week; empty before the first value
  std::vector<uint8_t> times_;  // how often each has been through, at most kEnough
};

}  // namespace levada::anomaly
