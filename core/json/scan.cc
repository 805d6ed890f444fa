#include "core/json/scan.h"

#include <bit>
#include <cstring>
#include <utility>

#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/json/bytes.h"

namespace levada::json {
namespace {

using internal::Load64;

constexpr uint64_t kOdd1 = 0x9E3779B97F4A7C15;
constexpr uint64_t kOdd2 = 0xC2B2AE3D27D4EB4F;

struct KeyBits {
  uint64_t head;
  uint64_t tail;
};

inline uint64_t Hash(KeyBits bits, size_t size) {
  return ((bits.head ^ size) * kOdd1) ^ (bits.tail * kOdd2);
}

// Names of up to 16 bytes are told apart by these bits and their size alone.
inline KeyBits BitsOf(const char* name, size_t size, const char* readable_end) {
  if (size > 16) return {Load64(name), Load64(name + size - 8)};
  KeyBits bits;
  if (readable_end - name >= 16) {
    bits = {Load64(name), Load64(name + 8)};
    const auto low_bytes = [](size_t count) { return (uint64_t{1} << (count & 7) * 8) - 1; };
    if (size < 8) return {bits.head & low_bytes(size), 0};
    if (size < 16) bits.tail &= low_bytes(size);
    return bits;
  }
  char padded[16] = {};
  if (size > 0) std::memcpy(padded, name, size);
  return {Load64(padded), Load64(padded + 8)};
}

}  // namespace

inline int FieldSet::Lookup(std::string_view name, const char* readable_end) const {
  const size_t size = name.size();
  const KeyBits bits = BitsOf(name.data(), size, readable_end);
  size_t at = Hash(bits, size) >> shift_;
  for (;; at = (at + 1) & (table_.size() - 1)) {
    const Entry& entry = table_[at];
    if (entry.slot < 0) return -1;
    if (entry.head != bits.head || entry.tail != bits.tail || entry.size != size) continue;
    if (size <= 16 || names_[entry.slot] == name) return entry.slot;
  }
}

namespace internal {
namespace {

// Which of the open arrays and objects is which, one bit each.
class Nesting {
 public:
  int depth() const { return depth_; }
  void Push(bool object) {
    uint64_t& word = bits_[depth_ >> 6];
    const uint64_t bit = uint64_t{1} << (depth_ & 63);
    word = object ? word | bit : word & ~bit;
    ++depth_;
  }
  void Pop() { --depth_; }
  bool InObject() const {
    const int top = depth_ - 1;
    return (bits_[top >> 6] >> (top & 63) & 1) != 0;
  }

 private:
  static_assert(kMaxDepth == 128);
  uint64_t bits_[2] = {};
  int depth_ = 0;
};

}  // namespace

// The grammar. Every method takes the place where its part begins and returns the place behind
// it, or nullptr after noting the error.
class Scanner {
 public:
  explicit Scanner(std::string_view document)
      : begin_(document.data()), end_(begin_ + document.size()) {}

  ScanError Object(const FieldSet& fields, std::span<Value> slots, ScanInfo* info);
  ScanError Single(Value* value);

 private:
  const char* Members(const char* p, const FieldSet& fields, Value* slots, ScanInfo* info);
  const char* AnyValue(const char* p, int depth, Value* value);
  const char* Container(const char* p, int depth);
  const char* Scalar(const char* p);
  const char* Key(const char* p);
  // `p` is behind the opening quote; returns the closing one.
  const char* String(const char* p, bool* escaped) {
    p = FindStringStop(begin_, p, end_);
    if (p < end_ && *p == '"') [[likely]]
      return p;
    return UnusualString(p, escaped);
  }
  const char* UnusualString(const char* p, bool* escaped);
  const char* Escape(const char* p);
  const char* Number(const char* p, bool* integral);
  const char* Literal(const char* p, std::string_view word);
  const char* NoValue(const char* p);
  int FindSlot(std::string_view raw, bool escaped, const FieldSet& fields) const;

  const char* SkipSpace(const char* p) const {
    if (p<end_&& static_cast<uint8_t>(*p)> ' ') [[likely]]
      return p;
    while (p < end_ && IsSpace(*p)) ++p;
    return p;
  }
  uint32_t Offset(const char* p) const { return static_cast<uint32_t>(p - begin_); }

  const char* Fail(ScanCode code, const char* p, int slot = -1) {
    error_ = {code, Offset(p), slot};
    return nullptr;
  }
  const char* FailAt(const char* p) {
    return Fail(p >= end_ ? ScanCode::kTruncated : ScanCode::kSyntax, p);
  }
  ScanError Finish(const char* p);

  const char* const begin_;
  const char* const end_;
  ScanError error_;
};

ScanError Scanner::Object(const FieldSet& fields, std::span<Value> slots, ScanInfo* info) {
  for (Value& slot : slots) slot = Value();
  const char* p = SkipSpace(begin_);
  if (p >= end_) {
    Fail(ScanCode::kEmpty, begin_);
    return error_;
  }
  if (*p != '{') {
    const bool value = std::strchr("[\"-0123456789tfn", *p) != nullptr && *p != '\0';
    Fail(value ? ScanCode::kNotAnObject : ScanCode::kSyntax, p);
    return error_;
  }
  return Finish(Members(p, fields, slots.data(), info));
}

ScanError Scanner::Single(Value* value) {
  *value = Value();
  const char* p = SkipSpace(begin_);
  if (p >= end_) {
    Fail(ScanCode::kEmpty, begin_);
    return error_;
  }
  return Finish(AnyValue(p, 0, value));
}

ScanError Scanner::Finish(const char* p) {
  if (p == nullptr) return error_;
  p = SkipSpace(p);
  if (p < end_) Fail(ScanCode::kTrailing, p);
  return error_;
}

// The members of the outermost object, whose brace is at *p.
const char* Scanner::Members(const char* p, const FieldSet& fields, Value* slots, ScanInfo* info) {
  p = SkipSpace(p + 1);
  if (p < end_ && *p == '}') {
    *info = {.close = Offset(p), .empty = true};
    return p + 1;
  }
  for (;;) {
    if (p >= end_ || *p != '"') return FailAt(p);
    const char* const key = p + 1;
    bool escaped = false;
    const char* const key_end = String(key, &escaped);
    if (key_end == nullptr) return nullptr;
    p = SkipSpace(key_end + 1);
    if (p >= end_ || *p != ':') return FailAt(p);
    p = SkipSpace(p + 1);
    const std::string_view raw(key, static_cast<size_t>(key_end - key));
    const int slot = FindSlot(raw, escaped, fields);
    Value ignored;
    Value* value = &ignored;
    if (slot >= 0) {
      value = &slots[slot];
      if (value->kind != Kind::kAbsent) return Fail(ScanCode::kDuplicateField, key - 1, slot);
      value->key_begin = Offset(key - 1);
    }
    p = AnyValue(p, 1, value);
    if (p == nullptr) return nullptr;
    p = SkipSpace(p);
    if (p >= end_) return FailAt(p);
    if (*p == ',') {
      p = SkipSpace(p + 1);
      continue;
    }
    if (*p != '}') return FailAt(p);
    *info = {.close = Offset(p), .empty = false};
    return p + 1;
  }
}

int Scanner::FindSlot(std::string_view raw, bool escaped, const FieldSet& fields) const {
  if (!escaped) [[likely]]
    return fields.Lookup(raw, end_);
  for (int slot = 0; slot < fields.size(); ++slot) {
    if (Equals(raw, true, fields.name(slot))) return slot;
  }
  return -1;
}

// Any value, `depth` arrays and objects being open around it.
const char* Scanner::AnyValue(const char* p, int depth, Value* value) {
  const char* const start = p;
  if (p >= end_) return FailAt(p);
  switch (*p) {
    case '"':
      p = String(start + 1, &value->escaped);
      if (p == nullptr) return nullptr;
      value->raw = std::string_view(start + 1, static_cast<size_t>(p - start - 1));
      value->kind = Kind::kString;
      return p + 1;
    case '{':
    case '[':
      value->kind = *p == '{' ? Kind::kObject : Kind::kArray;
      p = Container(p, depth);
      break;
    case 't':
      value->kind = Kind::kTrue;
      p = Literal(p, "true");
      break;
    case 'f':
      value->kind = Kind::kFalse;
      p = Literal(p, "false");
      break;
    case 'n':
      value->kind = Kind::kNull;
      p = Literal(p, "null");
      break;
    default:
      value->kind = Kind::kNumber;
      p = Number(p, &value->integral);
      break;
  }
  if (p != nullptr) value->raw = std::string_view(start, static_cast<size_t>(p - start));
  return p;
}

// An array or object that is only validated; without recursion, so that no document can exhaust
// the stack.
const char* Scanner::Container(const char* p, int depth) {
  Nesting open;
  for (;;) {
    // At a value, or at the bracket of an array or object that is still empty.
    bool closed = true;
    if (*p == '{' || *p == '[') {
      if (depth + open.depth() >= kMaxDepth) return Fail(ScanCode::kTooDeep, p);
      open.Push(*p == '{');
      p = SkipSpace(p + 1);
      if (p >= end_) return FailAt(p);
      closed = *p == (open.InObject() ? '}' : ']');
    } else {
      p = Scalar(p);
      if (p == nullptr) return nullptr;
      p = SkipSpace(p);
    }
    // Behind a value, or at a bracket: all that close here, then the comma.
    while (closed) {
      if (p >= end_) return FailAt(p);
      if (*p == ',') {
        p = SkipSpace(p + 1);
        break;
      }
      if (*p != (open.InObject() ? '}' : ']')) return FailAt(p);
      open.Pop();
      ++p;
      if (open.depth() == 0) return p;
      p = SkipSpace(p);
    }
    if (open.InObject()) {
      p = Key(p);
      if (p == nullptr) return nullptr;
    }
    if (p >= end_) return FailAt(p);
  }
}

const char* Scanner::Scalar(const char* p) {
  bool ignored = false;
  switch (*p) {
    case '"':
      p = String(p + 1, &ignored);
      return p == nullptr ? nullptr : p + 1;
    case 't':
      return Literal(p, "true");
    case 'f':
      return Literal(p, "false");
    case 'n':
      return Literal(p, "null");
    default:
      return Number(p, &ignored);
  }
}

// A key and its colon; returns the place of the value.
const char* Scanner::Key(const char* p) {
  if (p >= end_ || *p != '"') return FailAt(p);
  bool ignored = false;
  p = String(p + 1, &ignored);
  if (p == nullptr) return nullptr;
  p = SkipSpace(p + 1);
  if (p >= end_ || *p != ':') return FailAt(p);
  return SkipSpace(p + 1);
}

// A string that needs a second look at `p`: a backslash, text that is not ASCII, or an error.
const char* Scanner::UnusualString(const char* p, bool* escaped) {
  for (;; p = FindStringStop(begin_, p, end_)) {
    if (p >= end_) return Fail(ScanCode::kTruncated, end_);
    if (*p == '"') [[likely]]
      return p;
    if (*p == '\\') {
      *escaped = true;
      p = Escape(p);
      if (p == nullptr) return nullptr;
    } else if (static_cast<uint8_t>(*p) < 0x20) {
      return Fail(ScanCode::kSyntax, p);
    } else {
      do {  // text that is not ASCII comes in runs
        const int length = base::Utf8SequenceLength(p, end_);
        if (length == base::kUtf8Cut) return Fail(ScanCode::kTruncated, end_);
        if (length == base::kUtf8Bad) return Fail(ScanCode::kBadUtf8, p);
        p += length;
      } while (p < end_ && static_cast<uint8_t>(*p) >= 0x80);
    }
  }
}

namespace {

// Four hexadecimal digits; -1 where one is something else, -2 where the bytes end before.
int HexQuad(const char* p, const char* end) {
  int code = 0;
  for (int i = 0; i < 4; ++i, ++p) {
    if (p >= end) return -2;
    const uint8_t digit = static_cast<uint8_t>(*p - '0');
    const uint8_t letter = static_cast<uint8_t>((*p | 0x20) - 'a');
    if (digit > 9 && letter > 5) return -1;
    code = code << 4 | (digit <= 9 ? digit : letter + 10);
  }
  return code;
}

}  // namespace

// `p` is at a backslash.
const char* Scanner::Escape(const char* p) {
  const char* const start = p;
  const auto bad = [&](int quad) {
    return quad == -2 ? Fail(ScanCode::kTruncated, end_) : Fail(ScanCode::kBadEscape, start);
  };
  if (end_ - p < 2) return bad(-2);
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return p + 2;
    case 'u':
      break;
    default:
      return bad(-1);
  }
  const int first = HexQuad(p + 2, end_);
  if (first < 0) return bad(first);
  p += 6;
  if (first < 0xD800 || first > 0xDFFF) return p;
  if (first > 0xDBFF) return bad(-1);  // the second half alone
  if (p >= end_) return bad(-2);
  if (*p != '\\') return bad(-1);
  if (end_ - p < 2) return bad(-2);
  if (p[1] != 'u') return bad(-1);
  const int second = HexQuad(p + 2, end_);
  if (second < 0) return bad(second);
  if (second < 0xDC00 || second > 0xDFFF) return bad(-1);
  return p + 6;
}

const char* Scanner::Number(const char* p, bool* integral) {
  const char* const start = p;
  const auto digits = [&](const char* from) -> const char* {
    const char* const to = SkipDigits(from, end_);
    if (to > from) [[likely]]
      return to;
    return Fail(from >= end_ ? ScanCode::kTruncated : ScanCode::kBadNumber,
                from >= end_ ? end_ : start);
  };
  if (*p == '-') ++p;
  if (p == start && static_cast<uint8_t>(*p - '0') > 9) return NoValue(p);
  const char* const first = p;
  p = digits(p);
  if (p == nullptr) return nullptr;
  if (*first == '0' && p - first > 1) return Fail(ScanCode::kBadNumber, start);
  *integral = true;
  if (p < end_ && *p == '.') {
    *integral = false;
    p = digits(p + 1);
    if (p == nullptr) return nullptr;
  }
  if (p < end_ && (*p | 0x20) == 'e') {
    *integral = false;
    ++p;
    if (p < end_ && (*p == '+' || *p == '-')) ++p;
    p = digits(p);
  }
  return p;
}

const char* Scanner::Literal(const char* p, std::string_view word) {
  const size_t left = static_cast<size_t>(end_ - p);
  if (left >= word.size() && std::memcmp(p, word.data(), word.size()) == 0) [[likely]] {
    return p + word.size();
  }
  size_t same = 0;
  while (same < left && same < word.size() && p[same] == word[same]) ++same;
  if (same == left) return Fail(ScanCode::kTruncated, end_);
  // nan, as some writers have it
  if (*p == 'n' && p[1] == 'a') return Fail(ScanCode::kBadNumber, p);
  return Fail(ScanCode::kSyntax, p);
}

// No value begins at `p`; says so in the terms of what it was probably meant to be.
const char* Scanner::NoValue(const char* p) {
  const bool number = *p == '+' || *p == '.' || *p == 'N' || *p == 'I';
  return Fail(number ? ScanCode::kBadNumber : ScanCode::kSyntax, p);
}

}  // namespace internal

namespace {

std::string_view Explain(ScanCode code) {
  switch (code) {
    case ScanCode::kOk:
      return "valid JSON";
    case ScanCode::kEmpty:
      return "empty: expected a JSON object";
    case ScanCode::kNotAnObject:
      return "not a JSON object: expected {";
    case ScanCode::kSyntax:
      return "not JSON";
    case ScanCode::kTruncated:
      return "JSON that ends in the middle";
    case ScanCode::kBadUtf8:
      return "a string that is not UTF-8";
    case ScanCode::kBadEscape:
      return "a bad escape in a string: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, "
             "surrogates in pairs";
    case ScanCode::kBadNumber:
      return "not a JSON number: expected a form like -12.5e3 (no leading zeros, NaN or Infinity)";
    case ScanCode::kTooDeep:
      return "nested too deep: at most 128 arrays and objects may be open at once";
    case ScanCode::kDuplicateField:
      return "a field that stands there twice";
    case ScanCode::kTrailing:
      return "more bytes behind the JSON value";
  }
  return "not JSON";
}

}  // namespace

int FieldSet::Find(std::string_view name) const { return Lookup(name, name.data() + name.size()); }

int FieldSet::Add(std::string_view name) {
  const int found = Find(name);
  if (found >= 0) return found;
  names_.emplace_back(name);
  if (names_.size() * 4 <= table_.size()) {
    Insert(size() - 1);
    return size() - 1;
  }
  table_.assign(std::bit_ceil(names_.size() * 4), Entry());
  shift_ = 64 - std::countr_zero(table_.size());
  for (int slot = 0; slot < size(); ++slot) Insert(slot);
  return size() - 1;
}

void FieldSet::Insert(int slot) {
  const std::string& name = names_[slot];
  const KeyBits bits = BitsOf(name.data(), name.size(), name.data() + name.size());
  size_t at = Hash(bits, name.size()) >> shift_;
  while (table_[at].slot >= 0) at = (at + 1) & (table_.size() - 1);
  table_[at] = {bits.head, bits.tail, static_cast<uint32_t>(name.size()), slot};
}

std::string ScanError::Message(const FieldSet& fields) const {
  if (ok()) return std::string(Explain(code));
  std::string message = base::StrCat(Explain(code), ", at byte ", offset);
  if (slot >= 0 && slot < fields.size()) base::StrAppend(&message, ": \"", fields.name(slot), "\"");
  return message;
}

ScanError Scan(std::string_view document, const FieldSet& fields, std::span<Value> slots,
               ScanInfo* info) {
  return internal::Scanner(document).Object(fields, slots, info);
}

ScanError ScanValue(std::string_view document, Value* value) {
  return internal::Scanner(document).Single(value);
}

}  // namespace levada::json
