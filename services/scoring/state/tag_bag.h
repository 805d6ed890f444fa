#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/scoring/state/slab.h"

// How many keys with a hash there are, by 32 of the hash's bits: of keys that are elsewhere,
// whether it is worth looking there. Seven bytes a key; one look in many thousands is for nothing.
//
//   TagBag bag(&slab);                // which counts its memory
//   bag.Add(hash);  bag.May(hash);    // true
//   bag.Remove(hash);                 // as often as it was added
//
// Threads: one at a time.
namespace levada::scoring {

class TagBag {
 public:
  explicit TagBag(Slab* slab) : slab_(slab) {}
  TagBag(const TagBag&) = delete;
  TagBag& operator=(const TagBag&) = delete;
  ~TagBag() { Clear(); }

  size_t size() const { return count_; }
  bool May(uint64_t hash) const { return count_ > 0 && tags_[PlaceOf(TagOf(hash))] != 0; }

  void Add(uint64_t hash) {
    if ((count_ + 1) * 4 > tags_.size() * 3) Grow();
    Insert(TagOf(hash));
    ++count_;
  }

  void Remove(uint64_t hash) {
    size_t hole = PlaceOf(TagOf(hash));
    // Those behind it move up, so that no search ends too early.
    for (size_t at = (hole + 1) & mask_; tags_[at] != 0; at = (at + 1) & mask_) {
      const size_t home = tags_[at] & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      tags_[hole] = tags_[at];
      hole = at;
    }
    tags_[hole] = 0;
    --count_;
  }

  void Clear() {
    slab_->Count(-static_cast<ptrdiff_t>(tags_.size() * sizeof(uint32_t)));
    tags_ = {};
    mask_ = 0;
    count_ = 0;
  }

 private:
  // The low bits are those that places in a StateTable go by.
  static uint32_t TagOf(uint64_t hash) {
    const auto tag = static_cast<uint32_t>(hash >> 32);
    return tag == 0 ? 1 : tag;
  }

  // Where the tag is, or the free place where its search ends.
  size_t PlaceOf(uint32_t tag) const {
    size_t at = tag & mask_;
    while (tags_[at] != 0 && tags_[at] != tag) at = (at + 1) & mask_;
    return at;
  }

  void Insert(uint32_t tag) {
    size_t at = tag & mask_;
    while (tags_[at] != 0) at = (at + 1) & mask_;
    tags_[at] = tag;
  }

  void Grow() {
    std::vector<uint32_t> old(tags_.empty() ? 64 : tags_.size() * 2);
    slab_->Count(static_cast<ptrdiff_t>((old.size() - tags_.size()) * sizeof(uint32_t)));
    old.swap(tags_);
    mask_ = tags_.size() - 1;
    for (const uint32_t tag : old) {
      if (tag != 0) Insert(tag);
    }
  }

  Slab* slab_;
  std::vector<uint32_t> tags_;  // 0: free
  size_t mask_ = 0;
  size_t count_ = 0;
};

}  // namespace levada::scoring
