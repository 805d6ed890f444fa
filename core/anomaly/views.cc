#include "core/anomaly/views.h"

#include <algorithm>
#include <cmath>

namespace levada::anomaly {
namespace {

// Rows that give the unit of `size`, which begins behind them.
constexpr uint64_t kScaleRows = 64;
// Below this share of the unit, `size` is linear.
constexpr double kSmall = 0.1;

}  // namespace

double Views::Ring::Add(double value, size_t window) {
  if (values_.size() < window) {
    if (values_.empty()) values_.reserve(window);
    values_.push_back(value);
    sum_ += value;
  } else {
    sum_ += value - values_[next_];
    values_[next_] = value;
    if (++next_ == window) {
      // Anew, once a round: what rounding has left of large values that are gone, goes too.
      next_ = 0;
      sum_ = 0;
      for (const double each : values_) sum_ += each;
    }
  }
  return sum_ / static_cast<double>(values_.size());
}

void Views::Ring::Serialize(ByteWriter& out) const {
  out.Number(values_.size());
  out.Number(next_);
  out.Double(sum_);
  for (const double value : values_) out.Double(value);
}

void Views::Ring::Parse(ByteReader& in, size_t window) {
  const size_t count = in.Number(std::min(window, in.left() / sizeof(double)));
  next_ = in.Number(window - 1);
  sum_ = in.Double();
  if (count < window && next_ > 0) in.Fail();
  if (count > 0) values_.reserve(window);
  for (size_t i = 0; i < count && in.ok(); ++i) values_.push_back(in.Double());
}

Views::Views(const Settings& settings)
    : settings_(settings),
      season_(settings.season_ms),
      digests_{Digest(settings.centroids, settings.memory),
               Digest(settings.centroids, settings.memory),
               Digest(settings.centroids, settings.memory),
               Digest(settings.centroids, settings.memory)} {}

void Views::See(View view, double x, Surprise* surprise) {
  if (!(settings_.views >> view & 1)) return;
  Digest& digest = digests_[view];
  if (const double score = digest.Score(x); score > surprise->score) {
    *surprise = {score, view, x > digest.Median()};
  }
  digest.Add(x);
}

Views::Surprise Views::Update(double value, int64_t time_ms) {
  Surprise surprise;
  const auto window = static_cast<size_t>(settings_.window);
  if (!settings_.season_only) {
    See(kValue, value, &surprise);
    if (rows_ < kScaleRows) {
      scale_ += (std::fabs(value) - scale_) / static_cast<double>(rows_ + 1);
    } else if (scale_ > 0) {
      See(kSize, std::asinh(value / (kSmall * scale_)), &surprise);
    }
    const double change = rows_ == 0 ? 0 : std::fabs(value - last_);
    See(kActivity, activity_.Add(change, window), &surprise);
  }
  if (settings_.season_ms > 0) {
    if (const auto expected = season_.Expected(time_ms)) {
      const double distance = value - *expected;
      if (settings_.season_only) See(kValue, distance, &surprise);
      See(kSeason, distance_.Add(distance, window), &surprise);
    }
    season_.Learn(time_ms, value);
  }
  last_ = value;
  ++rows_;
  return surprise;
}

double Views::Expected(int64_t time_ms) const {
  if (const auto expected = season_.Expected(time_ms)) return *expected;
  return settings_.season_only ? last_ : digests_[kValue].Median();
}

void Views::Serialize(ByteWriter& out) const {
  out.Number(rows_);
  out.Double(scale_);
  out.Double(last_);
  activity_.Serialize(out);
  distance_.Serialize(out);
  season_.Serialize(out);
  for (const Digest& digest : digests_) digest.Serialize(out);
}

void Views::Parse(ByteReader& in) {
  const auto window = static_cast<size_t>(settings_.window);
  rows_ = in.Number(uint64_t{1} << 62);
  scale_ = in.Double();
  last_ = in.Double();
  activity_.Parse(in, window);
  distance_.Parse(in, window);
  season_.Parse(in);
  for (Digest& digest : digests_) digest.Parse(in);
  if (scale_ < 0) in.Fail();
}

size_t Views::ByteSize() const {
  size_t bytes = sizeof(*this) + activity_.ByteSize() + distance_.ByteSize() + season_.ByteSize();
  for (const Digest& digest : digests_) bytes += digest.ByteSize();
  return bytes;
}

}  // namespace levada::anomaly
