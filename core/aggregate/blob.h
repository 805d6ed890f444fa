#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

// The bytes of one state, in memory that somebody else owns: a slab of the state store, or an
// OwnedBlob. What stands in them is what goes to the changelog.
//
//   OwnedBlob blob;
//   blob.Assign(bytes_from_the_changelog);      // then Check() of the state that it is
//   sliding.Update(&blob, time, inputs, …);
//   changelog.Put(key, blob.view());
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

static_assert(std::endian::native == std::endian::little, "states are little endian");

class Blob {
 public:
  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }

  // What is added has no particular value. Pointers into the bytes are good until the next call.
  void Resize(size_t size) {
    if (size > capacity_) Grow(size);
    size_ = size;
  }

 protected:
  Blob() = default;
  ~Blob() = default;
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;

  // Makes `capacity_` at least `size`, with the first `size_` bytes as they were.
  virtual void Grow(size_t size) = 0;

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// A blob with memory of its own.
class OwnedBlob final : public Blob {
 public:
  OwnedBlob() = default;
  OwnedBlob(OwnedBlob&& other) noexcept { Swap(other); }
  OwnedBlob& operator=(OwnedBlob&& other) noexcept {
    Swap(other);
    return *this;
  }

  void Assign(std::string_view bytes) {
    Resize(bytes.size());
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
  }
  void Clear() { size_ = 0; }

 private:
  void Grow(size_t size) override {
    const size_t capacity = std::max(size, 2 * capacity_);
    std::unique_ptr<char[]> memory(new char[capacity]);
    if (size_ > 0) std::memcpy(memory.get(), data_, size_);
    memory_ = std::move(memory);
    data_ = memory_.get();
    capacity_ = capacity;
  }
  void Swap(OwnedBlob& other) {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::unique_ptr<char[]> memory_;
};

// Numbers and plain structs in the bytes; they need no alignment.
template <typename T>
T Load(const char* bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <typename T>
void Store(char* bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(bytes, &value, sizeof(T));
}

}  // namespace levada::aggregate
