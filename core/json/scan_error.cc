#include "core/base/strings.h"
#include "core/json/scan.h"

namespace levada::json {
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

std::string ScanError::Message(const FieldSet& fields) const {
  if (ok()) return std::string(Explain(code));
  std::string message = base::StrCat(Explain(code), ", at byte ", offset);
  if (slot >= 0 && slot < fields.size()) base::StrAppend(&message, ": \"", fields.name(slot), "\"");
  return message;
}

}  // namespace levada::json
