#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

// Memory for many small things that come and go and change their size: free lists by size class,
// which malloc's headers and fragments would double.
//
//   Slab slab;
//   size_t capacity = Slab::Capacity(52);   // 56
//   void* memory = slab.Take(capacity);
//   slab.Give(memory, capacity);
//
// Threads: one at a time.
namespace levada::scoring {

class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { Clear(); }

  // What is really taken for `bytes`: eight classes from each power of two to the next.
  static size_t Capacity(size_t bytes) {
    if (bytes <= kLeast) return kLeast;
    const size_t step = std::max<size_t>(std::bit_floor(bytes - 1) / 8, 8);
    return (bytes + step - 1) / step * step;
  }

  void* Take(size_t capacity) {
    used_ += capacity;
    if (capacity > kLargest) return std::malloc(capacity);
    Free*& list = free_[ClassOf(capacity)];
    if (list == nullptr) return Cut(capacity);
    Free* const taken = list;
    list = taken->next;
    return taken;
  }
  void Give(void* memory, size_t capacity) {
    used_ -= capacity;
    if (capacity > kLargest) return std::free(memory);
    auto* const given = static_cast<Free*>(memory);
    Free*& list = free_[ClassOf(capacity)];
    given->next = list;
    list = given;
  }

  // Memory of the same owner that is not of the slab.
  void Count(ptrdiff_t bytes) { used_ += bytes; }

  // Bytes in use, and bytes held from the system (without large ones).
  size_t used() const { return used_; }
  size_t reserved() const { return reserved_; }

  // Forgets everything; large ones must have been given back.
  void Clear() {
    blocks_.clear();
    reserved_ = 0;
    left_ = 0;
    used_ = 0;
    std::fill(std::begin(free_), std::end(free_), nullptr);
  }

 private:
  static constexpr size_t kLeast = 32;
  static constexpr size_t kLargest = 16 << 10;
  // A few for a slab with little in it.
  static constexpr size_t kFirstBlock = 2 * kLargest;
  static constexpr size_t kLastBlock = 16 * kLargest;

  struct Free {
    Free* next;
  };

  static size_t ClassOf(size_t capacity) {
    const size_t power = std::bit_width(capacity - 1);  // capacity is in (2^(power-1), 2^power]
    const size_t floor = size_t{1} << (power - 1);
    return power * 8 + (capacity - floor - 1) * 8 / floor;
  }

  void* Cut(size_t capacity) {
    if (left_ < capacity) {
      const size_t block = std::clamp(reserved_ / 8 / kLargest * kLargest, kFirstBlock, kLastBlock);
      blocks_.emplace_back(new char[block]);
      at_ = blocks_.back().get();
      left_ = block;
      reserved_ += block;
    }
    void* const cut = at_;
    at_ += capacity;
    left_ -= capacity;
    return cut;
  }

  Free* free_[16 * 8] = {};
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  size_t left_ = 0;
  size_t used_ = 0;
  size_t reserved_ = 0;
};

}  // namespace levada::scoring
