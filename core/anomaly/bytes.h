#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Writing and checked reading of the small binary formats of this folder.
//
//   number := 7 bits a byte, the lowest first, the high bit set on all but the last (LEB128)
//   float  := IEEE 754, 4 bytes, little endian;  double := 8 bytes
//
//   ByteReader in(bytes);
//   const uint64_t count = in.Number(1000);   // at most 1000, or the reader fails
//   const double mean = in.Double();
//   if (!in.done()) …                         // bad: something failed, or bytes are left over
//
// A reader that has failed gives zeros and never reads behind the bytes.
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

// Numbers that are kept are no larger, so that sums and differences of them are finite.
inline constexpr float kLargest = 1e30f;

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(out) {}

  void Number(uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }
  void Float(float value) { Raw(&value, sizeof(value)); }
  void Double(double value) { Raw(&value, sizeof(value)); }
  void Fixed64(uint64_t value) { Raw(&value, sizeof(value)); }
  void Raw(const void* data, size_t size) { out_->append(static_cast<const char*>(data), size); }

 private:
  std::string* out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number(uint64_t most) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return Fail();
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      // The tenth byte has room for one bit.
      if (shift == 63 && byte > 1) return Fail();
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) {
        // One spelling a number, so that equal states are equal bytes.
        if (byte == 0 && shift > 0) return Fail();
        return value <= most ? value : Fail();
      }
    }
    return Fail();
  }
  // Finite, and no larger than `most`.
  float Float(float most) {
    float value = 0;
    Raw(&value, sizeof(value));
    if (!(std::fabs(value) <= most)) Fail();
    return ok_ ? value : 0;
  }
  double Double(double most = 1e300) {
    double value = 0;
    Raw(&value, sizeof(value));
    if (!(std::fabs(value) <= most)) Fail();
    return ok_ ? value : 0;
  }
  uint64_t Fixed64() {
    uint64_t value = 0;
    Raw(&value, sizeof(value));
    return value;
  }
  void Raw(void* data, size_t size) {
    if (rest_.size() < size) {
      Fail();
      return;
    }
    if (size == 0) return;  // then there may be no data at all
    std::memcpy(data, rest_.data(), size);
    rest_.remove_prefix(size);
  }

  uint64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace levada::anomaly
