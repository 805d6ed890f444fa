// A tree as bytes. The grammar is in tree.h; boxes are not written but made again from the points.
#include <algorithm>

#include "core/anomaly/tree.h"

namespace levada::anomaly {

void Tree::Serialize(ByteWriter& out, std::span<const uint32_t> numbers,
                     std::vector<uint16_t>* order) const {
  order->assign(leaves_.size(), 0);
  if (empty()) return;
  std::vector<uint16_t> waiting = {root_};
  uint16_t place = 0;
  while (!waiting.empty()) {
    const uint16_t ref = waiting.back();
    waiting.pop_back();
    if (IsLeaf(ref)) {
      const Leaf& leaf = leaves_[ref & ~kLeaf];
      (*order)[ref & ~kLeaf] = place++;
      out.Number(0);
      out.Number(numbers[leaf.point]);
      out.Number(leaf.mass);
    } else {
      const Node& node = nodes_[ref];
      out.Number(uint64_t{node.dimension} + 1);
      out.Float(node.cut);
      waiting.push_back(node.right);
      waiting.push_back(node.left);
    }
  }
}

void Tree::Parse(ByteReader& in, PointStore& store, int mass) {
  *this = Tree(size_);
  if (mass == 0) return;
  struct Place {
    uint16_t parent;
    bool left;
  };
  std::vector<Place> waiting = {{kNone, true}};
  int64_t leaf_mass = 0;
  while (!waiting.empty() && in.ok()) {
    const Place place = waiting.back();
    waiting.pop_back();
    uint16_t ref = kNone;
    if (const uint64_t dimension = in.Number(static_cast<uint64_t>(size_)); dimension > 0) {
      ref = static_cast<uint16_t>(nodes_.size());
      const float cut = in.Float(kLargest);
      nodes_.push_back(
          {cut, 0, static_cast<uint16_t>(dimension - 1), kNone, kNone, place.parent, 0});
      waiting.push_back({ref, false});
      waiting.push_back({ref, true});
    } else {
      const auto point = static_cast<uint32_t>(in.Number(store.points()));
      const auto points = static_cast<int>(in.Number(static_cast<uint64_t>(mass)));
      if (point >= store.points() || points == 0) in.Fail();
      if (!in.ok()) return;
      store.Retain(point);
      ref = static_cast<uint16_t>(leaves_.size() | kLeaf);
      leaves_.push_back({point, static_cast<uint16_t>(points), place.parent});
      leaf_mass += points;
    }
    // There is at least one leaf for each that waits.
    if (leaf_mass + static_cast<int64_t>(waiting.size()) > mass) in.Fail();
    if (place.parent == kNone) {
      root_ = ref;
    } else {
      Node& parent = nodes_[place.parent];
      (place.left ? parent.left : parent.right) = ref;
    }
  }
  if (leaf_mass != mass) in.Fail();
  if (in.ok()) MakeBoxes(in, store);
  if (!in.ok()) *this = Tree(size_);
}

// A node stands in front of those below it, so from the back all below is ready.
void Tree::MakeBoxes(ByteReader& in, const PointStore& store) {
  boxes_.resize(nodes_.size() * 2 * lanes_);
  std::vector<Lane> box(2 * lanes_);
  for (size_t i = nodes_.size(); i-- > 0;) {
    Node& node = nodes_[i];
    node.mass = static_cast<uint16_t>(Mass(node.left) + Mass(node.right));
    SetBox(store, static_cast<uint16_t>(i));
    CopyBox(store, node.left, box.data(), box.data() + lanes_);
    const float left = reinterpret_cast<const float*>(box.data() + lanes_)[node.dimension];
    CopyBox(store, node.right, box.data(), box.data() + lanes_);
    const float right = reinterpret_cast<const float*>(box.data())[node.dimension];
    if (!(left <= node.cut && node.cut < right)) in.Fail();
  }
}

}  // namespace levada::anomaly
