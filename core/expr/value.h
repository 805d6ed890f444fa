#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expr/type.h"

namespace levada::base {
class Arena;
}
namespace levada::json {
struct Value;
}

// What an expression evaluates to: 16 bytes, copied freely.
//
//   Value v = program.Eval(activation);
//   if (v.kind() == Kind::kError) return absl::InvalidArgumentError(v.text());
//   AppendJson(v, &out);
//
// Scalars are inline. Text is a view into the event, the program or the batch's arena; lists and
// maps are arrays in the arena or untouched JSON of the event that is walked when asked for. A
// value is valid as long as the event, the program and the arena are. An error is a value too: its
// text says what went wrong.
//
// Thread-safety: plain data.
namespace levada::expr {

class Value;

struct Timestamp {
  int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  uint32_t nanos = 0;   // 0..999'999'999, counted forwards
  auto operator<=>(const Timestamp&) const = default;
};

// An address with, for a CIDR block, the length of its prefix.
struct Address {
  uint8_t bytes[16] = {};  // network order; IPv4 in the first four
  bool v6 = false;
  uint8_t prefix = 0;
};

struct MapEntry;

class Value {
 public:
  // How the elements of a list or map are kept.
  enum class Store : uint8_t { kArray, kJson };

  constexpr Value() : int_(0) {}

  static Value Null() { return Value(Kind::kNull); }
  static Value Bool(bool value) {
    Value v(Kind::kBool);
    v.int_ = value;
    return v;
  }
  static Value Int(int64_t value) {
    Value v(Kind::kInt);
    v.int_ = value;
    return v;
  }
  static Value Uint(uint64_t value) {
    Value v(Kind::kUint);
    v.uint_ = value;
    return v;
  }
  static Value Double(double value) {
    Value v(Kind::kDouble);
    v.double_ = value;
    return v;
  }
  // Views: the bytes must outlive the value.
  static Value String(std::string_view text) { return Text(Kind::kString, text); }
  static Value Bytes(std::string_view bytes) { return Text(Kind::kBytes, bytes); }
  static Value Error(std::string_view message) { return Text(Kind::kError, message); }
  static Value OfTimestamp(Timestamp time) {
    Value v(Kind::kTimestamp);
    v.int_ = time.seconds;
    v.size_ = time.nanos;
    return v;
  }
  static Value Duration(int64_t nanoseconds) {
    Value v(Kind::kDuration);
    v.int_ = nanoseconds;
    return v;
  }
  static Value OfType(std::string_view name) { return Text(Kind::kType, name); }
  static Value List(const Value* items, size_t size) {
    return Pointer(Kind::kList, items, size, Store::kArray);
  }
  static Value Map(const MapEntry* entries, size_t size) {
    return Pointer(Kind::kMap, entries, size, Store::kArray);
  }
  // A JSON array or object as it stands in a document that was scanned.
  static Value JsonList(std::string_view raw) {
    return Pointer(Kind::kList, raw.data(), raw.size(), Store::kJson);
  }
  static Value JsonMap(std::string_view raw) {
    return Pointer(Kind::kMap, raw.data(), raw.size(), Store::kJson);
  }
  // CEL's optional: `value` may be null, which is optional.none().
  static Value Optional(const Value* value) {
    return Pointer(Kind::kOptional, value, 0, Store::kArray);
  }
  static Value Ip(const Address* address) { return Pointer(Kind::kIp, address, 0, Store::kArray); }
  static Value Cidr(const Address* address) {
    return Pointer(Kind::kCidr, address, 0, Store::kArray);
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool ok() const { return kind_ != Kind::kError; }
  bool is_number() const { return kind_ >= Kind::kInt && kind_ <= Kind::kDouble; }

  // Each is for values of its kind only.
  bool boolean() const { return int_ != 0; }
  int64_t integer() const { return int_; }
  uint64_t unsigned_integer() const { return uint_; }
  double real() const { return double_; }
  std::string_view text() const { return {text_, size_}; }  // string, bytes, type name, error
  Timestamp timestamp() const { return {int_, size_}; }
  int64_t nanoseconds() const { return int_; }  // of a duration
  Store store() const { return store_; }
  const Value* items() const { return items_; }             // of a list in an array
  const MapEntry* entries() const { return entries_; }      // of a map in an array
  uint32_t count() const { return size_; }                  // of a list or map in an array
  std::string_view json() const { return {text_, size_}; }  // of a list or map in JSON
  const Value* optional() const { return items_; }
  const Address& address() const { return *address_; }

 private:
  explicit constexpr Value(Kind kind) : kind_(kind), int_(0) {}
  static Value Text(Kind kind, std::string_view text) {
    return Pointer(kind, text.data(), text.size(), Store::kArray);
  }
  static Value Pointer(Kind kind, const void* pointer, size_t size, Store store) {
    Value v(kind);
    v.store_ = store;
    v.size_ = static_cast<uint32_t>(size);
    v.pointer_ = pointer;
    return v;
  }

  Kind kind_ = Kind::kNone;
  Store store_ = Store::kArray;
  uint32_t size_ = 0;  // bytes of text, elements, or a timestamp's nanoseconds
  union {
    int64_t int_;
    uint64_t uint_;
    double double_;
    const char* text_;
    const Value* items_;
    const MapEntry* entries_;
    const Address* address_;
    const void* pointer_;
  };
};
static_assert(sizeof(Value) == 16);

struct MapEntry {
  Value key;
  Value value;
};

// A scanned JSON value as `type` says it is to be read (FieldType::kDyn: by itself). Text with
// escapes is decoded into the arena. An error value where the JSON does not fit the type; null
// stays null; an absent one is kNone.
Value FromJson(const json::Value& json, FieldType type, base::Arena* arena);

// Appends `value` as JSON: timestamps in RFC 3339, durations as "3.5s", bytes in base64, addresses
// and types as their text, NaN and infinities as null, map keys as strings, optional.none() and
// errors as null. Returns false, with `out` as it was, when the text would be larger than
// kMaxJsonBytes or nested deeper than kMaxJsonDepth.
bool AppendJson(Value value, std::string* out);
inline constexpr size_t kMaxJsonBytes = 64 << 20;
inline constexpr int kMaxJsonDepth = 512;

// Appends the value as people read it, which is CEL's string(): a string without quotes, a
// timestamp in RFC 3339, true, 12.5; null as "null"; lists and maps as JSON.
bool AppendText(Value value, std::string* out);

}  // namespace levada::expr
