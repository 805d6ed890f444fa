#include "core/json/scan.h"

#include <cstring>

#include "core/base/utf8.h"
#include "core/json/bytes.h"
#include "core/json/lookup.h"

namespace levada::json {

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
      : begin_(document.data()), end_(begin_ + document.size()), stops_(begin_, end_) {}

  ScanError Object(const FieldSet& fields, std::span<Value> slots, ScanInfo* info);
  ScanError Single(Value* value);

 private:
  const char* Members(const char* p, const FieldSet& fields, Value* slots, ScanInfo* info);
  // Any value, `depth` arrays and objects being open around it.
  const char* AnyValue(const char* p, int depth, Value* value) {
    if (p < end_ && *p == '"') {
      const char* const end = String(p + 1, &value->escaped);
      if (end == nullptr) return nullptr;
      value->raw = std::string_view(p + 1, static_cast<size_t>(end - p - 1));
      value->kind = Kind::kString;
      return end + 1;
    }
    return OtherValue(p, depth, value);
  }
  const char* OtherValue(const char* p, int depth, Value* value);
  const char* Container(const char* p, int depth);
  const char* Key(const char* p);
  // `p` is behind the opening quote; returns the closing one.
  const char* String(const char* p, bool* escaped) {
    p = stops_.Next(p);
    if (p < end_ && *p == '"') return p;
    return UnusualString(p, escaped);
  }
  const char* UnusualString(const char* p, bool* escaped);
  const char* Escape(const char* p);
  const char* Number(const char* p, bool* integral);
  const char* Literal(const char* p, std::string_view word);
  const char* NoValue(const char* p);
  static int FindEscaped(std::string_view raw, const FieldSet& fields);

  const char* SkipSpace(const char* p) const {
    while (p != end_ && IsSpace(*p)) ++p;
    return p;
  }
  // At the next byte that is not white space, which has to be `c`.
  const char* SkipTo(char c, const char* p) {
    if (p < end_ && *p == c) return p;
    p = SkipSpace(p);
    return p < end_ && *p == c ? p : FailAt(p);
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
  StringStops stops_;
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
  Value unwanted;
  for (;;) {
    if (p >= end_ || *p != '"') return FailAt(p);
    const char* const key = p + 1;
    bool escaped = false;
    const char* const key_end = String(key, &escaped);
    if (key_end == nullptr) return nullptr;
    p = SkipTo(':', key_end + 1);
    if (p == nullptr) return nullptr;
    p = SkipSpace(p + 1);
    const std::string_view raw(key, static_cast<size_t>(key_end - key));
    const int slot = escaped ? FindEscaped(raw, fields) : fields.Lookup(raw, end_);
    Value* value = &unwanted;
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

int Scanner::FindEscaped(std::string_view raw, const FieldSet& fields) {
  for (int slot = 0; slot < fields.size(); ++slot) {
    if (Equals(raw, true, fields.name(slot))) return slot;
  }
  return -1;
}

// Any value but a string.
const char* Scanner::OtherValue(const char* p, int depth, Value* value) {
  const char* const start = p;
  if (p >= end_) return FailAt(p);
  switch (*p) {
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
  Value ignored;
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
      p = AnyValue(p, depth, &ignored);
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

// A key and its colon; returns the place of the value.
const char* Scanner::Key(const char* p) {
  if (p >= end_ || *p != '"') return FailAt(p);
  bool ignored = false;
  p = String(p + 1, &ignored);
  if (p == nullptr) return nullptr;
  p = SkipTo(':', p + 1);
  return p == nullptr ? nullptr : SkipSpace(p + 1);
}

// A string that needs a second look at `p`: a backslash, text that is not ASCII, or an error.
const char* Scanner::UnusualString(const char* p, bool* escaped) {
  for (;; p = stops_.Next(p)) {
    if (p >= end_) return Fail(ScanCode::kTruncated, end_);
    if (*p == '"') return p;
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
    if (to > from) return to;
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
  if (left >= word.size() && std::memcmp(p, word.data(), word.size()) == 0) {
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

ScanError Scan(std::string_view document, const FieldSet& fields, std::span<Value> slots,
               ScanInfo* info) {
  return internal::Scanner(document).Object(fields, slots, info);
}

ScanError ScanValue(std::string_view document, Value* value) {
  return internal::Scanner(document).Single(value);
}

}  // namespace levada::json
