#include "core/anomaly/season.h"

#include <algorithm>
#include <cmath>

namespace levada::anomaly {
namespace {

constexpr int kParts = 24;
constexpr int kWeek = 7 * kParts;
constexpr uint8_t kEnough = 100;
constexpr double kAdapt = 0.3;   // of a difference, each time a part has been through
constexpr double kClip = 3;      // deviations that a part may differ by
constexpr double kSlow = 0.002;  // of a deviation
constexpr uint8_t kDayTimes = 1;
constexpr uint8_t kWeekTimes = 2;
constexpr int64_t kFarthest = int64_t{1} << 53;
constexpr double kLargestMean = 1e30;

int Wrapped(int64_t part, int count) {
  const auto rest = static_cast<int>(part % count);
  return rest < 0 ? rest + count : rest;
}

float Moved(float mean, double difference, uint8_t times) {
  const double moved = double{mean} + difference * std::max(1.0 / times, kAdapt);
  return static_cast<float>(std::clamp(moved, -kLargestMean, kLargestMean));
}

}  // namespace

Season::Season(int64_t length_ms) : part_ms_(static_cast<double>(length_ms) / kParts) {}

int64_t Season::PartOf(int64_t time_ms) const {
  const auto time = static_cast<double>(std::clamp(time_ms, -kFarthest, kFarthest));
  return static_cast<int64_t>(std::floor(time / part_ms_));
}

std::optional<double> Season::Expected(int64_t time_ms) const {
  if (means_.empty()) return std::nullopt;
  const auto time = static_cast<double>(std::clamp(time_ms, -kFarthest, kFarthest));
  const double place = time / part_ms_ - 0.5;  // in middles of parts
  const double before = std::floor(place);
  const auto left = static_cast<size_t>(Wrapped(static_cast<int64_t>(before), kParts));
  const size_t right = (left + 1) % kParts;
  if (times_[left] < kDayTimes || times_[right] < kDayTimes) return std::nullopt;
  const double share = place - before;
  double expected = anchor_ + (1 - share) * double{means_[left]} + share * double{means_[right]};
  const auto week = static_cast<size_t>(kParts + Wrapped(PartOf(time_ms), kWeek));
  if (times_[week] >= kWeekTimes) expected += double{means_[week]};
  return expected;
}

void Season::Learn(int64_t time_ms, double value) {
  const int64_t part = PartOf(time_ms);
  if (means_.empty()) {
    means_.resize(kParts + kWeek);
    times_.resize(kParts + kWeek);
    anchor_ = value;
    part_ = part;
  }
  if (const auto expected = Expected(time_ms)) {
    deviations_ = std::min(deviations_ + 1, uint64_t{1} << 40);
    deviation_ += (std::min(std::fabs(value - *expected), kLargestMean) - deviation_) *
                  std::max(1.0 / static_cast<double>(deviations_), kSlow);
  }
  // A late value counts for the part that is open: there is only one sum.
  if (part > part_) {
    Close();
    part_ = part;
  }
  sum_ += value;
  ++count_;
}

void Season::Close() {
  if (count_ == 0) return;
  const auto day = static_cast<size_t>(Wrapped(part_, kParts));
  const auto week = static_cast<size_t>(kParts + Wrapped(part_, kWeek));
  double difference = sum_ / static_cast<double>(count_) - anchor_ - double{means_[day]};
  const bool known = times_[day] > 0;
  if (known) {
    const double of_week = difference - double{means_[week]};
    times_[week] = std::min<uint8_t>(kEnough, static_cast<uint8_t>(times_[week] + 1));
    means_[week] = Moved(means_[week], of_week, times_[week]);
    difference = std::clamp(difference, -kClip * deviation_, kClip * deviation_);
  }
  times_[day] = std::min<uint8_t>(kEnough, static_cast<uint8_t>(times_[day] + 1));
  means_[day] = Moved(means_[day], difference, times_[day]);
  sum_ = 0;
  count_ = 0;
}

void Season::Serialize(ByteWriter& out) const {
  out.Number(means_.empty() ? 0 : 1);
  if (means_.empty()) return;
  out.Fixed64(static_cast<uint64_t>(part_));
  out.Double(sum_);
  out.Number(count_);
  out.Double(deviation_);
  out.Number(deviations_);
  out.Double(anchor_);
  for (size_t i = 0; i < means_.size(); ++i) {
    out.Number(times_[i]);
    if (times_[i] > 0) out.Float(means_[i]);
  }
}

void Season::Parse(ByteReader& in) {
  if (in.Number(1) == 0) return;
  means_.assign(kParts + kWeek, 0);
  times_.assign(kParts + kWeek, 0);
  part_ = static_cast<int64_t>(in.Fixed64());
  sum_ = in.Double();
  count_ = in.Number(uint64_t{1} << 60);
  deviation_ = in.Double();
  deviations_ = in.Number(uint64_t{1} << 40);
  anchor_ = in.Double();
  for (size_t i = 0; i < means_.size(); ++i) {
    times_[i] = static_cast<uint8_t>(in.Number(kEnough));
    if (times_[i] > 0) means_[i] = in.Float(static_cast<float>(kLargestMean));
  }
  if (part_ > 2 * kFarthest || part_ < -2 * kFarthest || deviation_ < 0) in.Fail();
}

}  // namespace levada::anomaly
