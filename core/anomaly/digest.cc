#include "core/anomaly/digest.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace levada::anomaly {
namespace {

// Weights are decayed once in so many numbers.
constexpr int kForgetEvery = 64;
constexpr float kLeastWeight = 0.5f;  // a weight of one has come down to this after `memory`
// Differences of places stay finite.
constexpr double kFurthest = 1e30;

// Σ (far − near) / far over the gaps of one side behind the first, which is certain. `places` go
// away from x, at `step`.
double Further(const float* places, size_t count, ptrdiff_t step, float x) {
  Lane sum = {};
  size_t i = 1;
  for (; i + kLane <= count; i += kLane) {
    Lane near;
    Lane far;
    if (step > 0) {
      std::memcpy(&near, places + i - 1, sizeof(near));
      std::memcpy(&far, places + i, sizeof(far));
    } else {
      // In reverse; the order within a sum of four does not matter.
      std::memcpy(&near, places - i - kLane + 2, sizeof(near));
      std::memcpy(&far, places - i - kLane + 1, sizeof(far));
    }
    sum += (far - near) / (far - x);
  }
  double total = (double{sum[0]} + double{sum[1]}) + (double{sum[2]} + double{sum[3]});
  for (; i < count; ++i) {
    const float near = places[step * static_cast<ptrdiff_t>(i - 1)];
    const float far = places[step * static_cast<ptrdiff_t>(i)];
    total += double{(far - near) / (far - x)};
  }
  return total;
}

// E[1 / (sure + N)] for N of a Poisson distribution with that mean, sure 1 or 2.
double ExpectedInverse(int sure, double mean) {
  if (mean < 1e-4) return 1.0 / sure;
  const double none = std::exp(-mean);
  return sure == 1 ? (1 - none) / mean : (mean - 1 + none) / (mean * mean);
}

}  // namespace

Digest::Digest(int centroids, int memory)
    : centroids_(static_cast<size_t>(centroids)), memory_(memory) {}

Digest::Spot Digest::Find(double x) const {
  Spot spot{static_cast<float>(std::clamp(x - anchor_, -kFurthest, kFurthest)), 0, 0, false};
  spot.above = static_cast<size_t>(std::lower_bound(places_.begin(), places_.end(), spot.x) -
                                   places_.begin());
  if (places_.empty()) return spot;
  spot.nearest = spot.above;
  if (spot.above == places_.size() ||
      (spot.above > 0 && spot.x - places_[spot.above - 1] < places_[spot.above] - spot.x)) {
    --spot.nearest;
  }
  spot.known = double{std::fabs(places_[spot.nearest] - spot.x)} <= resolution_;
  return spot;
}

double Digest::Score(double x) const {
  if (places_.empty()) return 0;
  const Spot spot = Find(x);
  const size_t count = places_.size();
  const size_t below = spot.known ? spot.nearest : spot.above;  // how many are to the left
  const size_t first = spot.known ? spot.nearest + 1 : spot.above;
  const float at = spot.known ? places_[spot.nearest] : spot.x;
  double mean = 0;
  int sure = 0;
  if (first < count) {
    ++sure;
    mean += Further(places_.data() + first, count - first, 1, at);
  }
  if (below > 0) {
    ++sure;
    mean += Further(places_.data() + below - 1, below, -1, at);
  }
  const double scale = std::log2(1 + weight_);
  if (!spot.known) return scale * ExpectedInverse(sure, mean);
  const double mass = double{weights_[spot.nearest]};
  return scale * (1 - 0.5 * mass / std::max(mass, weight_)) / (sure + mean + std::log2(1 + mass));
}

void Digest::Add(double x) {
  if (places_.empty()) {
    anchor_ = x;
    places_.reserve(centroids_ + 1);
    weights_.reserve(centroids_ + 1);
  }
  weight_ += 1;
  const Spot spot = Find(x);
  if (spot.known) {
    weights_[spot.nearest] += 1;
  } else {
    places_.insert(places_.begin() + static_cast<ptrdiff_t>(spot.above), spot.x);
    weights_.insert(weights_.begin() + static_cast<ptrdiff_t>(spot.above), 1.0f);
    if (places_.size() > centroids_) Merge();
  }
  if (++phase_ == kForgetEvery) Forget();
}

void Digest::Merge() {
  size_t closest = 0;
  float gap = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i + 1 < places_.size(); ++i) {
    if (const float next = places_[i + 1] - places_[i]; next < gap) {
      gap = next;
      closest = i;
    }
  }
  resolution_ = 0.999 * double{gap};
  // The ends stay where they are: how far they reach counts most.
  const bool keep_left =
      closest == 0 || (closest + 2 < places_.size() && weights_[closest] >= weights_[closest + 1]);
  const float place = places_[keep_left ? closest : closest + 1];
  weights_[closest] += weights_[closest + 1];
  places_[closest] = place;
  places_.erase(places_.begin() + static_cast<ptrdiff_t>(closest) + 1);
  weights_.erase(weights_.begin() + static_cast<ptrdiff_t>(closest) + 1);
}

void Digest::Forget() {
  phase_ = 0;
  const double factor = std::exp2(-static_cast<double>(kForgetEvery) / memory_);
  weight_ *= factor;
  size_t kept = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    const float weight = weights_[i] * static_cast<float>(factor);
    // The last one stays: a digest that was not empty does not become so.
    if (weight < kLeastWeight && (kept > 0 || i + 1 < places_.size())) continue;
    places_[kept] = places_[i];
    weights_[kept++] = weight;
  }
  places_.resize(kept);
  weights_.resize(kept);
  // With room there is no reason to take different numbers for one.
  if (kept < centroids_) resolution_ = 0;
}

double Digest::Median() const {
  double total = 0;
  for (const float weight : weights_) total += double{weight};
  double sum = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    sum += double{weights_[i]};
    if (sum * 2 >= total) return anchor_ + double{places_[i]};
  }
  return 0;
}

void Digest::Serialize(ByteWriter& out) const {
  out.Double(anchor_);
  out.Double(resolution_);
  out.Double(weight_);
  out.Number(static_cast<uint64_t>(phase_));
  out.Number(places_.size());
  for (size_t i = 0; i < places_.size(); ++i) {
    out.Float(places_[i]);
    out.Float(weights_[i]);
  }
}

void Digest::Parse(ByteReader& in) {
  anchor_ = in.Double();
  resolution_ = in.Double();
  weight_ = in.Double();
  phase_ = static_cast<int>(in.Number(kForgetEvery - 1));
  const size_t count = in.Number(std::min(centroids_, in.left() / (2 * sizeof(float))));
  if (resolution_ < 0 || weight_ < 0) in.Fail();
  places_.clear();
  weights_.clear();
  if (count > 0) {
    places_.reserve(centroids_ + 1);
    weights_.reserve(centroids_ + 1);
  }
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const float place = in.Float(static_cast<float>(kFurthest));
    const float weight = in.Float(kLargest);
    if (weight < 0.9f * kLeastWeight || (i > 0 && place <= places_.back())) in.Fail();
    places_.push_back(place);
    weights_.push_back(weight);
  }
}

}  // namespace levada::anomaly
