#include "core/anomaly/tree.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/random.h"

namespace levada::anomaly {
namespace {

Lane Max(Lane a, Lane b) { return a > b ? a : b; }
Lane Min(Lane a, Lane b) { return a < b ? a : b; }
float Sum(Lane a) { return (a[0] + a[1]) + (a[2] + a[3]); }

double Unit(uint64_t* seed) { return static_cast<double>(base::SplitMix64(seed) >> 11) * 0x1p-53; }

// A place in [from, to), from < to.
float Between(float from, float to, double unit) {
  const auto place = static_cast<float>(double{from} + (double{to} - double{from}) * unit);
  return place < to ? place : from;
}

}  // namespace

void Query::Set(const float* values) {
  std::memcpy(point.data(), values, static_cast<size_t>(size) * sizeof(float));
}

Tree::Tree(int size) : size_(size), lanes_(static_cast<size_t>((size + kLane - 1) / kLane)) {}

float Tree::Extension(uint16_t node, const Lane* point) const {
  const Lane* low = Low(node);
  const Lane* high = High(node);
  Lane sum = {};
  for (size_t i = 0; i < lanes_; ++i) {
    // One of the two differences is positive at most.
    sum += Max(Max(point[i] - high[i], low[i] - point[i]), Lane{});
  }
  return Sum(sum);
}

void Tree::Find(const PointStore& store, Query& query) const {
  query.path.clear();
  const float* values = query.values();
  uint16_t ref = root_;
  while (!IsLeaf(ref)) {
    const Node& node = nodes_[ref];
    query.path.push_back({ref, 0});
    ref = values[node.dimension] <= node.cut ? node.left : node.right;
  }
  query.leaf = static_cast<uint16_t>(ref & ~kLeaf);
  const float* other = store.At(leaves_[query.leaf].point);
  query.equal = std::equal(values, values + size_, other);
  int level = static_cast<int>(query.path.size());
  // A box that holds the point is inside all those above.
  while (level > 0) {
    Query::Step& step = query.path[static_cast<size_t>(level - 1)];
    step.extension = Extension(step.node, query.point.data());
    if (step.extension <= 0) break;
    --level;
  }
  query.outside = level;
}

double Tree::Score(const Query& query) const {
  const int total = mass();
  const auto depth = static_cast<double>(query.path.size());
  double score = 0;
  if (query.equal) {
    const int mass = leaves_[query.leaf].mass;
    // Seen before: less the more often, and the more of all points it is.
    score = (1 - 0.5 * mass / total) / (depth + std::log2(1.0 + mass));
  } else {
    score = 1 / (depth + 1);
  }
  for (int level = static_cast<int>(query.path.size()) - 1; level >= query.outside; --level) {
    const double alone = Separation(query.path[static_cast<size_t>(level)]);
    score = alone / (level + 1) + (1 - alone) * score;
  }
  return score * std::log2(1.0 + total);
}

double Tree::Displacement(const Query& query) const {
  const Leaf& leaf = leaves_[query.leaf];
  double ratio = query.equal ? 0 : leaf.mass;
  double own = query.equal ? leaf.mass + 1 : 1;
  for (size_t level = query.path.size(); level-- > 0;) {
    const Query::Step& step = query.path[level];
    const Node& node = nodes_[step.node];
    const bool last = level + 1 == query.path.size();
    const int below = last ? leaf.mass : nodes_[query.path[level + 1].node].mass;
    own = last && query.equal ? leaf.mass + 1 : below + 1;
    ratio = std::max(ratio, (node.mass - below) / own);
    if (static_cast<int>(level) >= query.outside) {
      const double alone = Separation(step);
      ratio = alone * node.mass + (1 - alone) * ratio;
    }
  }
  return ratio;
}

void Tree::Attribute(const PointStore& store, const Query& query, std::span<double> high,
                     std::span<double> low) const {
  const float* values = query.values();
  const double scale = std::log2(1.0 + mass());
  // From the root down: what of the score has not been given away above.
  double rest = scale;
  const auto add = [&](const float* from, const float* to, double share) {
    for (int i = 0; i < size_; ++i) {
      const auto k = static_cast<size_t>(i);
      if (values[i] > to[i]) high[k] += share * (double{values[i]} - double{to[i]});
      if (values[i] < from[i]) low[k] += share * (double{from[i]} - double{values[i]});
    }
  };
  for (size_t level = static_cast<size_t>(query.outside); level < query.path.size(); ++level) {
    const Query::Step& step = query.path[level];
    const double alone = Separation(step);
    add(reinterpret_cast<const float*>(Low(step.node)),
        reinterpret_cast<const float*>(High(step.node)),
        rest * alone / static_cast<double>(level + 1) / double{step.extension});
    rest *= 1 - alone;
  }
  if (query.equal) return;
  const float* other = store.At(leaves_[query.leaf].point);
  double distance = 0;
  for (int i = 0; i < size_; ++i) distance += std::fabs(double{values[i]} - double{other[i]});
  if (distance > 0) {
    add(other, other, rest / static_cast<double>(query.path.size() + 1) / distance);
  }
}

double Tree::Distance(const PointStore& store, uint16_t ref, const float* values,
                      std::span<const uint8_t> missing) const {
  const bool leaf = IsLeaf(ref);
  const float* low =
      leaf ? store.At(leaves_[ref & ~kLeaf].point) : reinterpret_cast<const float*>(Low(ref));
  const float* high = leaf ? low : reinterpret_cast<const float*>(High(ref));
  double distance = 0;
  for (int i = 0; i < size_; ++i) {
    if (missing[static_cast<size_t>(i)]) continue;
    distance +=
        std::max({0.0, double{values[i]} - double{high[i]}, double{low[i]} - double{values[i]}});
  }
  return distance;
}

uint32_t Tree::Nearest(const PointStore& store, const Query& query,
                       std::span<const uint8_t> missing, int visits) const {
  struct Candidate {
    uint16_t ref;
    double distance;  // nothing below it is nearer
  };
  std::array<Candidate, 64> waiting;
  size_t count = 0;
  uint16_t ref = root_;
  while (true) {
    // Down to the nearest leaf, by boxes; what is passed by waits.
    while (!IsLeaf(ref)) {
      const Node& node = nodes_[ref];
      Candidate nearer{node.left, Distance(store, node.left, query.values(), missing)};
      Candidate further{node.right, Distance(store, node.right, query.values(), missing)};
      if (further.distance < nearer.distance) std::swap(nearer, further);
      if (count < waiting.size()) waiting[count++] = further;
      ref = nearer.ref;
    }
    const double distance = Distance(store, ref, query.values(), missing);
    auto* best = std::min_element(
        waiting.data(), waiting.data() + count,
        [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    if (count == 0 || best->distance >= distance || --visits <= 0) {
      return leaves_[ref & ~kLeaf].point;
    }
    // The leaf itself waits in the place of what is looked at next.
    const uint16_t leaf = ref;
    ref = best->ref;
    *best = {leaf, distance};
  }
}

uint16_t Tree::NewNode() {
  if (free_nodes_.empty()) {
    nodes_.emplace_back();
    boxes_.resize(boxes_.size() + 2 * lanes_);
    free_nodes_.reserve(nodes_.capacity());
    return static_cast<uint16_t>(nodes_.size() - 1);
  }
  const uint16_t node = free_nodes_.back();
  free_nodes_.pop_back();
  return node;
}

uint16_t Tree::NewLeaf(uint32_t point) {
  if (free_leaves_.empty()) {
    leaves_.push_back({point, 1, kNone});
    free_leaves_.reserve(leaves_.capacity());
    return static_cast<uint16_t>(leaves_.size() - 1);
  }
  const uint16_t leaf = free_leaves_.back();
  free_leaves_.pop_back();
  leaves_[leaf] = {point, 1, kNone};
  return leaf;
}

void Tree::AddMass(uint16_t leaf) {
  ++leaves_[leaf].mass;
  for (uint16_t node = leaves_[leaf].parent; node != kNone; node = nodes_[node].parent) {
    ++nodes_[node].mass;
  }
}

void Tree::SetRange(uint16_t node) {
  const Lane* low = Low(node);
  const Lane* high = High(node);
  Lane sum = {};
  for (size_t i = 0; i < lanes_; ++i) sum += high[i] - low[i];
  nodes_[node].range = Sum(sum);
}

void Tree::GrowBox(uint16_t node, const Lane* point) {
  Lane* low = Low(node);
  Lane* high = High(node);
  for (size_t i = 0; i < lanes_; ++i) {
    low[i] = Min(low[i], point[i]);
    high[i] = Max(high[i], point[i]);
  }
  SetRange(node);
}

void Tree::CopyBox(const PointStore& store, uint16_t ref, Lane* low, Lane* high) const {
  if (IsLeaf(ref)) {
    const float* point = store.At(leaves_[ref & ~kLeaf].point);
    low[lanes_ - 1] = Lane{};
    std::memcpy(low, point, static_cast<size_t>(size_) * sizeof(float));
    std::copy(low, low + lanes_, high);
  } else {
    std::copy(Low(ref), Low(ref) + lanes_, low);
    std::copy(High(ref), High(ref) + lanes_, high);
  }
}

// From the boxes of what is below.
void Tree::SetBox(const PointStore& store, uint16_t node) {
  const uint16_t left = nodes_[node].left;
  const uint16_t right = nodes_[node].right;
  Lane* low = Low(node);
  Lane* high = High(node);
  if (IsLeaf(left) || IsLeaf(right)) {
    CopyBox(store, IsLeaf(right) ? left : right, low, high);
    const uint16_t leaf = IsLeaf(right) ? right : left;
    const float* point = store.At(leaves_[leaf & ~kLeaf].point);
    auto* low_values = reinterpret_cast<float*>(low);
    auto* high_values = reinterpret_cast<float*>(high);
    for (int i = 0; i < size_; ++i) {
      low_values[i] = std::min(low_values[i], point[i]);
      high_values[i] = std::max(high_values[i], point[i]);
    }
  } else {
    for (size_t i = 0; i < lanes_; ++i) {
      low[i] = Min(Low(left)[i], Low(right)[i]);
      high[i] = Max(High(left)[i], High(right)[i]);
    }
  }
  SetRange(node);
}

void Tree::Replace(uint16_t parent, uint16_t from, uint16_t to) {
  if (parent == kNone) {
    root_ = to;
  } else {
    Node& node = nodes_[parent];
    (node.left == from ? node.left : node.right) = to;
  }
  Parent(to) = parent;
}

uint16_t Tree::InsertLeaf(const PointStore& store, const Query& query, uint64_t* seed,
                          uint32_t point) {
  const uint16_t leaf = NewLeaf(point);
  const auto leaf_ref = static_cast<uint16_t>(leaf | kLeaf);
  if (empty()) {
    root_ = leaf_ref;
    return leaf;
  }
  // The first node from above where a cut of the box that holds the point too parts the two.
  auto below = static_cast<uint16_t>(query.leaf | kLeaf);
  auto level = static_cast<size_t>(query.outside);
  for (; level < query.path.size(); ++level) {
    if (Unit(seed) < Separation(query.path[level])) {
      below = query.path[level].node;
      break;
    }
  }
  const uint16_t parent = Parent(below);
  const int mass = Mass(below);
  const uint16_t added = NewNode();
  Lane* low = Low(added);
  Lane* high = High(added);
  CopyBox(store, below, low, high);
  const auto* from = reinterpret_cast<const float*>(low);
  const auto* to = reinterpret_cast<const float*>(high);
  const float* values = query.values();
  // Where the box grows, in proportion to how much.
  double total = 0;
  for (int i = 0; i < size_; ++i) {
    total += std::max(0.0, std::max(double{values[i]} - to[i], double{from[i]} - values[i]));
  }
  double place = Unit(seed) * total;
  int dimension = -1;
  for (int i = 0; i < size_; ++i) {
    const double growth =
        std::max(0.0, std::max(double{values[i]} - to[i], double{from[i]} - values[i]));
    if (growth <= 0) continue;
    dimension = i;
    place -= growth;
    if (place < 0) break;
  }
  const float value = values[dimension];
  const bool left = value < from[dimension];
  Node& node = nodes_[added];
  node.cut = left ? Between(value, from[dimension], Unit(seed))
                  : Between(to[dimension], value, Unit(seed));
  node.dimension = static_cast<uint16_t>(dimension);
  node.left = left ? leaf_ref : below;
  node.right = left ? below : leaf_ref;
  node.mass = static_cast<uint16_t>(mass + 1);
  Replace(parent, below, added);
  Parent(below) = added;
  leaves_[leaf].parent = added;
  GrowBox(added, query.point.data());
  for (size_t above = level; above-- > 0;) {
    const uint16_t ref = query.path[above].node;
    ++nodes_[ref].mass;
    if (above >= static_cast<size_t>(query.outside)) GrowBox(ref, query.point.data());
  }
  return leaf;
}

bool Tree::OnBorder(uint16_t node, const float* point) const {
  const auto* low = reinterpret_cast<const float*>(Low(node));
  const auto* high = reinterpret_cast<const float*>(High(node));
  for (int i = 0; i < size_; ++i) {
    if (point[i] <= low[i] || point[i] >= high[i]) return true;
  }
  return false;
}

bool Tree::Remove(const PointStore& store, uint16_t leaf) {
  Leaf& removed = leaves_[leaf];
  if (--removed.mass > 0) {
    for (uint16_t node = removed.parent; node != kNone; node = nodes_[node].parent) {
      --nodes_[node].mass;
    }
    return false;
  }
  free_leaves_.push_back(leaf);
  const uint16_t parent = removed.parent;
  if (parent == kNone) {
    root_ = kNone;
    return true;
  }
  const auto leaf_ref = static_cast<uint16_t>(leaf | kLeaf);
  const Node& node = nodes_[parent];
  const uint16_t sibling = node.left == leaf_ref ? node.right : node.left;
  const uint16_t above = node.parent;
  Replace(above, parent, sibling);
  free_nodes_.push_back(parent);
  const float* point = store.At(removed.point);
  bool shrinks = true;
  for (uint16_t ref = above; ref != kNone; ref = nodes_[ref].parent) {
    --nodes_[ref].mass;
    // A box with the point strictly inside does not change, nor do those above it.
    shrinks = shrinks && OnBorder(ref, point);
    if (shrinks) SetBox(store, ref);
  }
  return true;
}

size_t Tree::ByteSize() const {
  return nodes_.capacity() * sizeof(Node) + boxes_.capacity() * sizeof(Lane) +
         leaves_.capacity() * sizeof(Leaf) +
         (free_nodes_.capacity() + free_leaves_.capacity()) * sizeof(uint16_t);
}

}  // namespace levada::anomaly
