#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/anomaly/bytes.h"
#include "core/anomaly/point_store.h"
#include "core/anomaly/tree.h"

// A random cut forest over a stream: how unlike the recent past is a point? As published by Guha,
// Mishra, Roy and Schrijvers (ICML 2016): each tree holds a random sample of the stream, newer
// points with more weight (a weighted reservoir, Efraimidis and Spirakis 2006); what leaves the
// sample is removed from the tree, what enters it is inserted.
//
// A point is the last `shingle` rows, so that a usual value at an unusual time is unusual too.
//
//   auto forest = Forest::Make({.dimensions = 2, .shingle = 4});
//   const float row[] = {0.5, 12};
//   const double score = forest->Update(row);   // 0 until the trees have points
//   std::string bytes;
//   forest->Serialize(&bytes);                  // the seed is in it: goes on bit for bit the same
//
// Numbers are finite and at most kLargest; whoever calls sees to that.
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

enum class Scoring { kDepth, kDisplacement };

struct ForestSettings {
  int dimensions = 1;
  int shingle = 8;
  int trees = 50;
  int samples = 256;
  // How much less likely a point is in a sample for each step that it is older; 0: a tenth of
  // 1 / samples, with which a sample's mean age is some ten times its size.
  double time_decay = 0;
  Scoring scoring = Scoring::kDepth;
  uint64_t seed = 1;
};

absl::Status Check(const ForestSettings& settings);

class Forest {
 public:
  static absl::StatusOr<Forest> Make(const ForestSettings& settings);

  const ForestSettings& settings() const { return settings_; }
  // Numbers a point: dimensions · shingle, the newest row last.
  int size() const { return store_.size(); }
  // Rows that came in.
  uint64_t steps() const { return store_.steps(); }
  // Points that each tree holds.
  int sampled() const { return samplers_.empty() ? 0 : static_cast<int>(samplers_[0].keys.size()); }

  // The row's score, before it is learned.
  double Update(std::span<const float> row);

  // Of any point, nothing learned. 0 while the trees are empty.
  double Score(std::span<const float> point);
  // The score by number of the point: above what is known there, below it. Their sum is the depth
  // score, apart from what belongs to no dimension.
  void Attribute(std::span<const float> point, std::span<double> high, std::span<double> low);
  // Fills in `point` where `missing` is not 0, with what the trees hold beside the rest of it: the
  // median of the nearest points of the trees.
  void Impute(std::span<float> point, std::span<const uint8_t> missing);
  // The last whole shingle, or nothing.
  std::span<const float> newest() const {
    return store_.full() ? std::span(store_.newest(), static_cast<size_t>(size()))
                         : std::span<const float>();
  }

  // forest  := seed:8 bytes, weight:double store sampler*(trees)
  // sampler := count:number tree (key:float leaf:number)*count
  // Settings are not in it, they are the host's. `Parse` takes all of the state from the reader, or
  // fails by it.
  void Serialize(ByteWriter& out) const;
  static absl::StatusOr<Forest> Parse(const ForestSettings& settings, ByteReader& in);

  size_t ByteSize() const;

 private:
  // A tree with its sample: a heap by key, largest first, which is the next to leave.
  struct Sampler {
    Tree tree;
    std::vector<float> keys;
    std::vector<uint16_t> leaves;
  };

  explicit Forest(const ForestSettings& settings);
  double ScoreIn(const Tree& tree) const;
  void Learn(Sampler& sampler, uint32_t* kept);
  void Rebase();
  static void SiftUp(Sampler& sampler, size_t place);
  static void SiftDown(Sampler& sampler, size_t place);

  ForestSettings settings_;
  double decay_;
  uint64_t seed_;
  double weight_ = 1;  // of a new key; falls by exp(−decay) a step
  PointStore store_;
  std::vector<Sampler> samplers_;
  Query query_;
  std::vector<float> candidates_;
  std::vector<uint32_t> nearest_;
};

}  // namespace levada::anomaly
