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
// without another look. Nothing is allocated and nothing is thrown.
//
// Thread-safety: a FieldSet may be read from several threads once no more fields are added; Scan
// has no state.
namespace levada::json {

enum class Kind : uint8_t { kAbsent, kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

// A value as it stands in the document. `raw` covers the value's bytes: a string without its
// quotes (undecoded), a number as written, an array or object with its brackets. Valid as long as
// the document is.
struct Value {
  std::string_view raw;
  Kind kind = Kind::kAbsent;
  bool escaped = false;   // a string that holds at least one backslash: use Unescape()
  bool integral = false;  // a number with neither fraction nor exponent
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
  void Rebuild();

  std::vector<std::string> names_;
  std::vector<int16_t> table_;  // open addressing; index into names_, -1 = free
  uint32_t mask_ = 0;
};

enum class ScanCode : uint8_t {
  kOk,
  kEmpty,            // no bytes, or only white space
  kNotAnObject,      // the document is valid so far but is not an object
  kSyntax,           // not JSON
  kTruncated,        // ends in the middle
  kBadUtf8,          // a string or key is not UTF-8
  kBadEscape,        // an escape JSON does not know, or half a surrogate pair
  kBadNumber,        // 01, 1., .5, NaN, Infinity, +1
  kTooDeep,          // nested deeper than kMaxDepth
  kDuplicateField,   // a wanted field stands there twice
  kTrailing,         // bytes behind the object
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
  uint32_t close = 0;   // offset of the object's closing brace
  bool empty = false;   // the object has no field: a spliced field needs no comma before it
};

// Fills `slots` (one a field of `fields`, absent ones kAbsent). `slots.size() >= fields.size()`.
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

// Appends the decoded bytes of a string's `raw` to `out`.
void Unescape(std::string_view raw, std::string* out);
// Number of bytes Unescape would append; for callers that bring their own memory.
size_t UnescapeInto(std::string_view raw, char* out);  // out: raw.size() bytes; returns bytes written

}  // namespace levada::json

#include "core/json/walk.inc"  // the templates above
