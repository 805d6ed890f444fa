#include "core/anomaly/forest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/base/strings.h"

namespace levada::anomaly {
namespace {

constexpr uint32_t kNotKept = std::numeric_limits<uint32_t>::max();
constexpr int kMaxSize = 4096;        // numbers a point
constexpr int kMaxSampled = 1 << 22;  // points in all trees together
// Keys shrink with every step; before they leave the range of a float they are made larger again.
constexpr double kSmallestWeight = 1e-9;
constexpr int kImputeVisits = 16;  // leaves that a tree looks at for the nearest

double Unit(uint64_t* seed) { return static_cast<double>(base::SplitMix64(seed) >> 11) * 0x1p-53; }

}  // namespace

absl::Status Check(const ForestSettings& settings) {
  const auto in_range = [](const char* name, int value, int least, int most) {
    return value >= least && value <= most
               ? absl::OkStatus()
               : absl::InvalidArgumentError(
                     base::StrCat(name, " is ", value, ", but should be ", least, " to ", most));
  };
  if (auto s = in_range("dimensions", settings.dimensions, 1, kMaxSize); !s.ok()) return s;
  if (auto s = in_range("shingle", settings.shingle, 1, kMaxSize / settings.dimensions); !s.ok()) {
    return s;
  }
  if (auto s = in_range("trees", settings.trees, 1, 1000); !s.ok()) return s;
  if (auto s = in_range("samples", settings.samples, 2,
                        std::min(Tree::kMaxSamples, kMaxSampled / settings.trees));
      !s.ok()) {
    return s;
  }
  if (!(settings.time_decay >= 0 && settings.time_decay <= 1)) {
    return absl::InvalidArgumentError("time decay should be 0 to 1");
  }
  return absl::OkStatus();
}

absl::StatusOr<Forest> Forest::Make(const ForestSettings& settings) {
  if (auto s = Check(settings); !s.ok()) return s;
  return Forest(settings);
}

Forest::Forest(const ForestSettings& settings)
    : settings_(settings),
      decay_(settings.time_decay > 0 ? settings.time_decay : 0.1 / settings.samples),
      seed_(settings.seed),
      store_(settings.dimensions, settings.shingle),
      samplers_(static_cast<size_t>(settings.trees), Sampler{Tree(store_.size()), {}, {}}),
      query_(store_.size()),
      nearest_(static_cast<size_t>(settings.trees)) {
  candidates_.reserve(static_cast<size_t>(settings.trees));
}

double Forest::ScoreIn(const Tree& tree) const {
  return settings_.scoring == Scoring::kDepth ? tree.Score(query_) : tree.Displacement(query_);
}

double Forest::Update(std::span<const float> row) {
  store_.Append(row);
  weight_ *= std::exp(-decay_);
  if (!store_.full()) return 0;
  if (weight_ < kSmallestWeight) Rebase();
  query_.Set(store_.newest());
  double score = 0;
  // The first tree that takes the point keeps it for all.
  uint32_t kept = kNotKept;
  for (Sampler& sampler : samplers_) {
    if (!sampler.tree.empty()) {
      sampler.tree.Find(store_, query_);
      score += ScoreIn(sampler.tree);
    }
    Learn(sampler, &kept);
  }
  return score / settings_.trees;
}

void Forest::Learn(Sampler& sampler, uint32_t* kept) {
  // The key is exponentially distributed with a rate that grows by the step; the smallest stay.
  const double unit = 1 - Unit(&seed_);  // (0, 1]
  const bool full = sampler.keys.size() == static_cast<size_t>(settings_.samples);
  // −log x ≥ 1 − x tells most of those that are too large without a logarithm.
  if (full && (1 - unit) * weight_ >= double{sampler.keys[0]}) return;
  const auto key = static_cast<float>(-std::log(unit) * weight_);
  if (full && key >= sampler.keys[0]) return;
  const uint16_t leaf = sampler.tree.Insert(store_, query_, &seed_, [&] {
    if (*kept == kNotKept) {
      *kept = store_.Keep();
    } else {
      store_.Retain(*kept);
    }
    return *kept;
  });
  if (!full) {
    sampler.keys.push_back(key);
    sampler.leaves.push_back(leaf);
    SiftUp(sampler, sampler.keys.size() - 1);
    return;
  }
  // In after out would be the same by distribution; in first, the place that was found still holds.
  const uint16_t oldest = sampler.leaves[0];
  const uint32_t point = sampler.tree.PointOf(oldest);
  if (sampler.tree.Remove(store_, oldest)) store_.Release(point);
  sampler.keys[0] = key;
  sampler.leaves[0] = leaf;
  SiftDown(sampler, 0);
}

void Forest::SiftUp(Sampler& sampler, size_t place) {
  while (place > 0) {
    const size_t parent = (place - 1) / 2;
    if (sampler.keys[parent] >= sampler.keys[place]) return;
    std::swap(sampler.keys[parent], sampler.keys[place]);
    std::swap(sampler.leaves[parent], sampler.leaves[place]);
    place = parent;
  }
}

void Forest::SiftDown(Sampler& sampler, size_t place) {
  const size_t count = sampler.keys.size();
  while (true) {
    size_t child = 2 * place + 1;
    if (child >= count) return;
    if (child + 1 < count && sampler.keys[child + 1] > sampler.keys[child]) ++child;
    if (sampler.keys[place] >= sampler.keys[child]) return;
    std::swap(sampler.keys[child], sampler.keys[place]);
    std::swap(sampler.leaves[child], sampler.leaves[place]);
    place = child;
  }
}

void Forest::Rebase() {
  const auto scale = static_cast<float>(1 / weight_);
  for (Sampler& sampler : samplers_) {
    // Those that become infinite are next to leave, whichever first.
    for (float& key : sampler.keys) key = std::min(key * scale, kLargest);
  }
  weight_ = 1;
}

double Forest::Score(std::span<const float> point) {
  query_.Set(point.data());
  double score = 0;
  for (const Sampler& sampler : samplers_) {
    if (sampler.tree.empty()) return 0;
    sampler.tree.Find(store_, query_);
    score += ScoreIn(sampler.tree);
  }
  return score / settings_.trees;
}

void Forest::Attribute(std::span<const float> point, std::span<double> high,
                       std::span<double> low) {
  std::fill(high.begin(), high.end(), 0.0);
  std::fill(low.begin(), low.end(), 0.0);
  query_.Set(point.data());
  for (const Sampler& sampler : samplers_) {
    if (sampler.tree.empty()) return;
    sampler.tree.Find(store_, query_);
    sampler.tree.Attribute(store_, query_, high, low);
  }
  for (double& value : high) value /= settings_.trees;
  for (double& value : low) value /= settings_.trees;
}

void Forest::Impute(std::span<float> point, std::span<const uint8_t> missing) {
  query_.Set(point.data());
  size_t count = 0;
  for (const Sampler& sampler : samplers_) {
    if (sampler.tree.empty()) return;
    nearest_[count++] = sampler.tree.Nearest(store_, query_, missing, kImputeVisits);
  }
  for (size_t i = 0; i < point.size(); ++i) {
    if (!missing[i]) continue;
    candidates_.clear();
    for (const uint32_t near : nearest_) candidates_.push_back(store_.At(near)[i]);
    const auto middle = candidates_.begin() + static_cast<ptrdiff_t>(candidates_.size() / 2);
    std::nth_element(candidates_.begin(), middle, candidates_.end());
    point[i] = *middle;
  }
}

void Forest::Serialize(ByteWriter& out) const {
  out.Fixed64(seed_);
  out.Double(weight_);
  std::vector<uint32_t> numbers;
  store_.Serialize(out, &numbers);
  std::vector<uint16_t> order;
  for (const Sampler& sampler : samplers_) {
    out.Number(sampler.keys.size());
    sampler.tree.Serialize(out, numbers, &order);
    for (size_t i = 0; i < sampler.keys.size(); ++i) {
      out.Float(sampler.keys[i]);
      out.Number(order[sampler.leaves[i]]);
    }
  }
}

absl::StatusOr<Forest> Forest::Parse(const ForestSettings& settings, ByteReader& in) {
  auto forest = Make(settings);
  if (!forest.ok()) return forest;
  forest->seed_ = in.Fixed64();
  forest->weight_ = in.Double(1);
  if (!(forest->weight_ >= kSmallestWeight / 2)) in.Fail();
  const auto samples = static_cast<size_t>(settings.samples);
  forest->store_.Parse(in, static_cast<size_t>(settings.trees) * samples);
  for (Sampler& sampler : forest->samplers_) {
    const size_t count = in.Number(std::min(samples, in.left()));
    sampler.tree.Parse(in, forest->store_, static_cast<int>(count));
    if (!in.ok()) break;
    std::vector<int> mass(static_cast<size_t>(sampler.tree.leaves()), 0);
    for (size_t i = 0; i < count && in.ok(); ++i) {
      const float key = in.Float(kLargest);
      const auto leaf = static_cast<uint16_t>(in.Number(mass.size() - 1));
      if (key < 0 || (i > 0 && sampler.keys[(i - 1) / 2] < key)) in.Fail();
      if (!in.ok()) break;
      ++mass[leaf];
      sampler.keys.push_back(key);
      sampler.leaves.push_back(leaf);
    }
    for (size_t leaf = 0; leaf < mass.size() && in.ok(); ++leaf) {
      if (mass[leaf] != sampler.tree.MassOf(static_cast<uint16_t>(leaf))) in.Fail();
    }
  }
  if (in.ok() && !forest->store_.AllReferenced()) in.Fail();
  if (!in.ok()) return absl::DataLossError("not the state of a forest with these settings");
  return forest;
}

size_t Forest::ByteSize() const {
  size_t bytes = sizeof(*this) + store_.ByteSize() + query_.point.capacity() * sizeof(Lane) +
                 query_.path.capacity() * sizeof(Query::Step) +
                 candidates_.capacity() * sizeof(float) + nearest_.capacity() * sizeof(uint32_t);
  for (const Sampler& sampler : samplers_) {
    bytes += sizeof(sampler) + sampler.tree.ByteSize() + sampler.keys.capacity() * sizeof(float) +
             sampler.leaves.capacity() * sizeof(uint16_t);
  }
  return bytes;
}

}  // namespace levada::anomaly
