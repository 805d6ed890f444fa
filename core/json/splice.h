#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/json/scan.h"

// Writes a scanned object again with some fields set, dropped or selected, by copying its bytes:
// what is not touched stays as it was written, white space included.
//
//   ScanError error = Scan(event, fields, slots, &info);          // {"id":1,"amount":5}
//   FieldEdit score = {score_slot, "\"score\":", "0.97"};
//   int amount[] = {amount_slot};
//   Splice(event, info, slots, {&score, 1}, amount, &out);        // {"id":1,"score":0.97}
//
// Given a document that Scan accepted and values that are JSON, the output is such a document.
//
// Thread-safety: no state; each call touches only `out`.
namespace levada::json {

// A field to set. It stands in one slot of the FieldSet that the document was scanned with, so
// that a field which is already there gets its new value in its old place; others are appended.
struct FieldEdit {
  int slot = -1;
  std::string_view name;   // as it is to be written: "score": with quotes and colon
  std::string_view value;  // JSON
};

// The document with all fields but those in the slots `drop`, and with those of `set`. A slot is
// named at most once in the two; one whose field is absent may be dropped.
void Splice(std::string_view document, const ScanInfo& info, std::span<const Value> slots,
            std::span<const FieldEdit> set, std::span<const int> drop, std::string* out);

// Only the fields in the slots `keep`, in that order, as far as they are there, then those of
// `set` that are not among them. A slot of `keep` that is also in `set` gets the new value.
void Select(std::string_view document, std::span<const Value> slots, std::span<const int> keep,
            std::span<const FieldEdit> set, std::string* out);

}  // namespace levada::json
