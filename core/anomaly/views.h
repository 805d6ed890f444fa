#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/anomaly/bytes.h"
#include "core/anomaly/digest.h"
#include "core/anomaly/season.h"

// One number of a stream from several sides, each with a digest that says how new what it shows is:
//
//   value     the number itself
//   size      its logarithm, so that a tenth of the usual is as new as ten times it
//   activity  the mean change from row to row over a window
//   season    the mean distance over a window from what is usual at this time of the day and the
//   week
//
//   Views views({.window = 48, .memory = 10'000, .centroids = 64, .season_ms = 86'400'000});
//   const Views::Surprise s = views.Update(value, time_ms);   // the highest of the four
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

// Bits 1 << Views::View.
inline constexpr uint8_t kAllViews = 0xF;

class Views {
 public:
  enum View { kValue, kSize, kActivity, kSeason };
  static constexpr int kCount = 4;
  struct Settings {
    int window = 48;
    int memory = 10'000;
    int centroids = 64;
    int64_t season_ms = 86'400'000;
    uint8_t views = kAllViews;
    bool season_only = false;  // then `value` is the distance from the season's mean of one row
  };
  struct Surprise {
    double score = 0;
    View view = kValue;
    bool high = false;  // more than usual
  };

  explicit Views(const Settings& settings);

  Surprise Update(double value, int64_t time_ms);
  // What a value at that time would be as usual: by season where that is known, else the median.
  double Expected(int64_t time_ms) const;

  // views := rows:number scale:double last:double activity:ring distance:ring season
  //          digest*4
  // ring  := count:number next:number sum:double value:double*count   (next: the oldest)
  void Serialize(ByteWriter& out) const;
  void Parse(ByteReader& in);
  size_t ByteSize() const;

 private:
  // The mean of the last `window` numbers.
  class Ring {
   public:
    double Add(double value, size_t window);
    void Serialize(ByteWriter& out) const;
    void Parse(ByteReader& in, size_t window);
    size_t ByteSize() const { return values_.capacity() * sizeof(double); }

   private:
    std::vector<double> values_;
    size_t next_ = 0;
    double sum_ = 0;
  };

  void See(View view, double x, Surprise* surprise);

  Settings settings_;
  uint64_t rows_ = 0;
  double scale_ = 0;  // mean size of the first rows
  double last_ = 0;
  Ring activity_;
  Ring distance_;
  Season season_;
  std::array<Digest, kCount> digests_;
};

}  // namespace levada::anomaly
