#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// Memory for one batch: taken by moving a pointer, given back all at once.
//
//   base::Arena arena;
//   std::string_view name = arena.Copy("fraud");
//   double* inputs = arena.Array<double>(8);
//   arena.Reset();  // all of it is gone; the blocks are kept for the next batch
//
// Only for trivially destructible types: nothing is ever destroyed. Not thread-safe.
namespace levada::base {

class Arena {
 public:
  explicit Arena(size_t block_bytes = 64 * 1024) : block_bytes_(block_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  void* Allocate(size_t bytes, size_t align = alignof(std::max_align_t)) {
    const size_t begin = (used_ + align - 1) & ~(align - 1);
    if (current_ == nullptr || begin + bytes > capacity_ || begin + bytes < begin) {
      return AllocateFromNewBlock(bytes);
    }
    used_ = begin + bytes;
    return current_ + begin;
  }

  // Uninitialised room for `count` objects.
  template <typename T>
  T* Array(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(Allocate(count * sizeof(T), alignof(T)));
  }

  template <typename T, typename... Args>
  T* New(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (Allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
  }

  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* copy = Array<char>(text.size());
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

  // Forgets everything that was taken. Blocks are kept, except those made for single large objects.
  void Reset();

  // Bytes held from the system.
  size_t reserved_bytes() const { return reserved_; }

 private:
  void* AllocateFromNewBlock(size_t bytes);

  size_t block_bytes_;
  char* current_ = nullptr;
  size_t used_ = 0;
  size_t capacity_ = 0;
  size_t next_block_ = 0;  // index into blocks_ of the first one that is not in use
  size_t reserved_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;  // each of block_bytes_
  std::vector<std::unique_ptr<char[]>> large_;   // objects that do not fit a block
  size_t large_bytes_ = 0;
};

}  // namespace levada::base
