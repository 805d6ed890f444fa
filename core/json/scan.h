#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// One pass over the bytes of a JSON object, keeping only the fields that somebody asked for.
//
//   FieldSet fields;
//   int amount = fields.Add("amount");
//   std::vector<Value> slots(fields.size());
//   ScanError error = Scan(bytes, fields, slots, &info);
//   if (error.ok() && slots[amount].kind == Kind::kNumber) { ... slots[amount].raw ... }
//
// Grammar: RFC 8259. The whole document is validated (strings and their escapes, numbers, literals,
// UTF-8, nesting, nothing but white space behind it), so that what passes here can be spliced
// without another look. A byte order mark is not JSON. A number may be of any size: what it means
// is for the reader of its bytes to say. Documents are smaller than 4 GiB. Nothing is allocated,
// nothing is thrown, and no byte outside the document is read.
//
// Thread-safety: a FieldSet may be read from several threads once no more fields are added; Scan
// has no state.
namespace levada::json {

namespace internal {
class Scanner;
}

enum class Kind : uint8_t { kAbsent, kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

// A value as it stands in the document. `raw` covers the value's bytes: a string without its
// quotes (undecoded), a number as written, an array or object with its brackets. Valid as long as
// the document is.
struct Value {
  std::string_view raw;
  Kind kind = Kind::kAbsent;
  bool escaped = false;    // a string that holds at least one backslash: use Unescape()
  bool integral = false;   // a number with neither fraction nor exponent
  uint32_t key_begin = 0;  // by Scan: offset of the opening quote of the member's key
};

// Which top-level fields are kept, and in which slot. Built when a stage starts.
class FieldSet {
 public:
  // Returns the slot of `name`, the same one if it was added before.
  int Add(std::string_view name);
  // Slot of `name` (decoded bytes, no quotes), or -1.
  int Find(std::string_view name) const;
  int size() const { return static_cast<int>(names_.size()); }
  const std::string& name(int slot) const { return names_[slot]; }

 private:
  // A name's first and last 8 bytes (overlapping, zero-padded when shorter than 16 bytes), which
  // decide most comparisons without touching the name itself.
  struct Entry {
    uint64_t head = 0;
    uint64_t tail = 0;
    uint32_t size = 0;
    int32_t slot = -1;  // -1: free
  };

  friend class internal::Scanner;

  // Find, where the bytes from the name's start up to `readable_end` may be read: cheaper when
  // that is 16 bytes or more.
  inline int Lookup(std::string_view name, const char* readable_end) const;
  void Insert(int slot);

  std::vector<std::string> names_;
  std::vector<Entry> table_ = std::vector<Entry>(2);  // open addressing, at most a quarter full
  uint32_t initials_[64] = {};  // by size of the name: which first letters there are
  uint32_t mask_ = 1;           // table_.size() - 1
  int shift_ = 63;              // 64 - log2(table_.size())
};

enum class ScanCode : uint8_t {
  kOk,
  kEmpty,           // no bytes, or only white space
  kNotAnObject,     // the document is valid so far but is not an object
  kSyntax,          // not JSON
  kTruncated,       // ends in the middle
  kBadUtf8,         // a string or key is not UTF-8
  kBadEscape,       // an escape JSON does not know, or half a surrogate pair
  kBadNumber,       // 01, 1., .5, NaN, Infinity, +1
  kTooDeep,         // nested deeper than kMaxDepth
  kDuplicateField,  // a wanted field stands there twice
  kTrailing,        // bytes behind the object
};

inline constexpr int kMaxDepth = 128;

struct ScanError {
  ScanCode code = ScanCode::kOk;
  uint32_t offset = 0;  // bytes from the start of the document
  int slot = -1;        // with kDuplicateField: which
  bool ok() const { return code == ScanCode::kOk; }
  // One sentence for people: what, where (byte offset), what was expected.
  std::string Message(const FieldSet& fields) const;
};

struct ScanInfo {
  uint32_t close = 0;  // offset of the object's closing brace
  bool empty = false;  // the object has no field: a spliced field needs no comma before it
};

// Fills `slots` (one a field of `fields`, absent ones kAbsent). `slots.size() >= fields.size()`.
// After an error, what the slots hold means nothing.
ScanError Scan(std::string_view document, const FieldSet& fields, std::span<Value> slots,
               ScanInfo* info);

// Same grammar for one value of any kind (an array of events, a number, ...).
ScanError ScanValue(std::string_view document, Value* value);

// ---- Within values that Scan or ScanValue accepted (no validation is repeated) ----

// Calls `visit(key_raw, key_escaped, value)` for each member of an object; false stops the walk.
template <typename Visit>
void ForEachMember(std::string_view object, Visit&& visit);
// Calls `visit(value)` for each element of an array; false stops the walk.
template <typename Visit>
void ForEachElement(std::string_view array, Visit&& visit);
// The value that starts at *at (white space skipped); *at moves behind it.
Value NextValue(std::string_view document, size_t* at);
// The member `key` (decoded) of an object, kAbsent where there is none.
Value FindMember(std::string_view object, std::string_view key);

// Whether a key or string, decoded, equals `text`.
bool Equals(std::string_view raw, bool escaped, std::string_view text);

// Appends the decoded bytes of a string's `raw` to `out`.
void Unescape(std::string_view raw, std::string* out);
// The same into memory of the caller's (`raw.size()` bytes are enough); returns the bytes written.
size_t UnescapeInto(std::string_view raw, char* out);

}  // namespace levada::json

#include "core/json/walk.inc"  // the templates above
