#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/anomaly/point_store.h"

// One random cut tree over points of a store, as in Guha, Mishra, Roy and Schrijvers, "Robust
// Random Cut Forest Based Anomaly Detection On Streams" (ICML 2016).
//
// A node cuts the box around its points in two: along a dimension drawn with a probability
// proportional to the box's extent there, at a uniformly drawn place. Insert and Remove keep that
// distribution: the tree is at any time one that might have been drawn over the points that it
// holds. Equal points are one leaf with a mass.
//
//   Tree tree(store.size());
//   Query query(store.size());            // scratch, one for many trees
//   query.Set(store.newest());
//   tree.Find(store, query);              // where the point would go; then, any of these:
//   const double score = tree.Score(query, damp);
//   const uint16_t leaf = tree.Insert(store, query, &seed);
//   tree.Remove(store, leaf);
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

// Four numbers at once; the compiler makes vector instructions of it where there are any.
using Lane = float __attribute__((vector_size(16)));
inline constexpr int kLane = 4;

// A point on its way through trees.
struct Query {
  explicit Query(int size)
      : size(size), lanes((size + kLane - 1) / kLane), point(static_cast<size_t>(lanes)) {}
  void Set(const float* values);
  const float* values() const { return reinterpret_cast<const float*>(point.data()); }

  // A node that the point passes, from the root down. Those whose box holds the point have
  // extension 0; they are the upper part of the path.
  struct Step {
    uint16_t node;
    float extension;  // how much longer the sides of the box would become by the point, in all
  };

  int size;
  int lanes;
  std::vector<Lane> point;
  std::vector<Step> path;
  uint16_t leaf = 0;
  bool equal = false;  // the leaf's point is the same
  int outside = 0;     // path[outside …] are the nodes whose box does not hold the point
};

class Tree {
 public:
  static constexpr int kMaxSamples = 0x7FFE;

  explicit Tree(int size);

  bool empty() const { return root_ == kNone; }
  int mass() const { return empty() ? 0 : Mass(root_); }
  uint32_t PointOf(uint16_t leaf) const { return leaves_[leaf].point; }
  int MassOf(uint16_t leaf) const { return leaves_[leaf].mass; }

  // Needs a tree that is not empty.
  void Find(const PointStore& store, Query& query) const;
  // The expected inverse of the depth at which the point would be alone, times log2 of the mass:
  // about 1 for a point like the others, more for one that is cut off early.
  double Score(const Query& query) const;
  // The expected largest ratio of a sibling's mass to the own on the way up from where the point
  // would be alone: how many points it displaces (the paper's collusive displacement, without
  // inserting the point).
  double Displacement(const Query& query) const;
  // Adds Score, split by dimension: what lies above the boxes that the point leaves to high, what
  // lies below to low. What cannot be said of any dimension is left out.
  void Attribute(const PointStore& store, const Query& query, std::span<double> high,
                 std::span<double> low) const;
  // The point that is nearest by the dimensions that are not `missing` (sum of differences), as far
  // as `visits` leaves show.
  uint32_t Nearest(const PointStore& store, const Query& query, std::span<const uint8_t> missing,
                   int visits) const;

  // Adds the store's newest point, which `query` has found its place with (in a tree that is not
  // empty); gives its leaf. A new leaf keeps the point by `point()`.
  template <typename KeepPoint>
  uint16_t Insert(const PointStore& store, const Query& query, uint64_t* seed, KeepPoint point) {
    if (!empty() && query.equal) {
      AddMass(query.leaf);
      return query.leaf;
    }
    return InsertLeaf(store, query, seed, point());
  }
  // Takes one mass from the leaf; true if that was the last, and its point is no longer used.
  bool Remove(const PointStore& store, uint16_t leaf);

  // tree := nothing, if without points | node
  // node := dimension+1:number cut:float left:node right:node | 0:number point:number mass:number
  // `order` becomes the place of each leaf in the bytes.
  void Serialize(ByteWriter& out, std::span<const uint32_t> numbers,
                 std::vector<uint16_t>* order) const;
  // Leaves get the numbers 0, 1, … in the order of the bytes. Checks that cuts part the points as
  // they say, and that the masses add up to `mass`.
  void Parse(ByteReader& in, PointStore& store, int mass);
  int leaves() const { return static_cast<int>(leaves_.size()); }

  size_t ByteSize() const;

 private:
  // A reference to a node, or with this bit to a leaf.
  static constexpr uint16_t kLeaf = 0x8000;
  static constexpr uint16_t kNone = 0xFFFF;

  struct Node {
    float cut;    // to the left is what is at most this
    float range;  // the sides of the box, added up
    uint16_t dimension;
    uint16_t left;
    uint16_t right;
    uint16_t parent;
    uint16_t mass;
  };
  struct Leaf {
    uint32_t point;
    uint16_t mass;
    uint16_t parent;
  };

  static bool IsLeaf(uint16_t ref) { return ref & kLeaf; }
  int Mass(uint16_t ref) const {
    return IsLeaf(ref) ? leaves_[ref & ~kLeaf].mass : nodes_[ref].mass;
  }
  uint16_t& Parent(uint16_t ref) {
    return IsLeaf(ref) ? leaves_[ref & ~kLeaf].parent : nodes_[ref].parent;
  }
  Lane* Low(uint16_t node) { return boxes_.data() + size_t{node} * 2 * lanes_; }
  Lane* High(uint16_t node) { return Low(node) + lanes_; }
  const Lane* Low(uint16_t node) const { return boxes_.data() + size_t{node} * 2 * lanes_; }
  const Lane* High(uint16_t node) const { return Low(node) + lanes_; }
  float Extension(uint16_t node, const Lane* point) const;
  // Separation from a box grows it; the probability that a random cut falls into the growth.
  double Separation(const Query::Step& step) const {
    return double{step.extension} / (double{step.extension} + double{nodes_[step.node].range});
  }

  double Distance(const PointStore& store, uint16_t ref, const float* values,
                  std::span<const uint8_t> missing) const;
  uint16_t NewNode();
  uint16_t NewLeaf(uint32_t point);
  void AddMass(uint16_t leaf);
  uint16_t InsertLeaf(const PointStore& store, const Query& query, uint64_t* seed, uint32_t point);
  void GrowBox(uint16_t node, const Lane* point);
  void SetBox(const PointStore& store, uint16_t node);
  void CopyBox(const PointStore& store, uint16_t ref, Lane* low, Lane* high) const;
  void SetRange(uint16_t node);
  bool OnBorder(uint16_t node, const float* point) const;
  void Replace(uint16_t parent, uint16_t from, uint16_t to);
  void MakeBoxes(ByteReader& in, const PointStore& store);

  int size_;
  size_t lanes_;
  uint16_t root_ = kNone;
  std::vector<Node> nodes_;
  std::vector<Lane> boxes_;  // of node i: low, then high, from 2·i·lanes
  std::vector<Leaf> leaves_;
  std::vector<uint16_t> free_nodes_;
  std::vector<uint16_t> free_leaves_;
};

}  // namespace levada::anomaly
