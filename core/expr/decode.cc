// JSON values as expression values: FromJson.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "core/base/arena.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/expr/time.h"
#include "core/expr/value.h"
#include "core/json/scan.h"

namespace levada::expr {
namespace {

// A number that JSON allows, correctly rounded. Up to 15 digits with few behind the point are
// exact as integer and power of ten, so that one division rounds right; the rest is for the
// library.
double ParseDouble(std::string_view raw) {
  static constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char* p = raw.data();
  const char* const end = p + raw.size();
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  if (end - p <= 16) {
    uint64_t digits = 0;
    const char* point = nullptr;
    const char* q = p;
    for (; q < end; ++q) {
      if (*q == '.') {
        point = q;
      } else if (*q >= '0' && *q <= '9') {
        digits = digits * 10 + static_cast<uint64_t>(*q - '0');
      } else {
        break;
      }
    }
    const auto behind = point == nullptr ? 0 : end - point - 1;
    if (q == end && digits < (uint64_t{1} << 53) && behind <= 15) {
      const double value = static_cast<double>(digits) / kPowers[behind];
      return negative ? -value : value;
    }
  }
  double value = 0;
  const auto result = std::from_chars(raw.data(), end, value);
  if (result.ec == std::errc::result_out_of_range) {
    return std::strtod(std::string(raw).c_str(), nullptr);  // ±infinity or ±0
  }
  return value;
}

bool ParseInteger(const json::Value& json, int64_t* value) {
  const char* const end = json.raw.data() + json.raw.size();
  if (json.integral) {
    const auto result = std::from_chars(json.raw.data(), end, *value);
    return result.ec == std::errc() && result.ptr == end;
  }
  const double real = ParseDouble(json.raw);  // 3.0 and 1e3 are whole numbers too
  if (!(real >= -9007199254740992.0 && real <= 9007199254740992.0)) return false;
  *value = static_cast<int64_t>(real);
  return static_cast<double>(*value) == real;
}

std::string_view Text(const json::Value& json, base::Arena* arena) {
  if (!json.escaped) return json.raw;
  char* decoded = arena->Array<char>(json.raw.size());
  return {decoded, json::UnescapeInto(json.raw, decoded)};
}

std::string_view KindOf(const json::Value& json) {
  switch (json.kind) {
    case json::Kind::kFalse:
    case json::Kind::kTrue:
      return "a boolean";
    case json::Kind::kNumber:
      return "a number";
    case json::Kind::kString:
      return "a string";
    case json::Kind::kArray:
      return "an array";
    case json::Kind::kObject:
      return "an object";
    default:
      return "null";
  }
}

Value Mismatch(const json::Value& json, FieldType type, base::Arena* arena) {
  const bool quote = json.kind == json::Kind::kString || json.kind == json::Kind::kNumber;
  return Value::Error(
      arena->Copy(base::StrCat("expected ", FieldTypeName(type), ", found ", KindOf(json),
                               quote ? base::StrCat(" (", json.raw.substr(0, 40), ")") : "")));
}

// JSON has no infinity; a number that would become one is a fault of whoever wrote it, and every
// comparison with it would be a guess.
Value Real(const json::Value& json, base::Arena* arena) {
  const double value = ParseDouble(json.raw);
  if (std::isfinite(value)) return Value::Double(value);
  return Value::Error(arena->Copy(
      base::StrCat("the number ", json.raw.substr(0, 40), " is beyond the range of a double")));
}

Value Untyped(const json::Value& json, base::Arena* arena) {
  switch (json.kind) {
    case json::Kind::kAbsent:
      return Value();
    case json::Kind::kNull:
      return Value::Null();
    case json::Kind::kFalse:
      return Value::Bool(false);
    case json::Kind::kTrue:
      return Value::Bool(true);
    case json::Kind::kNumber:
      return Real(json, arena);
    case json::Kind::kString:
      return Value::String(Text(json, arena));
    case json::Kind::kArray:
      return Value::JsonList(json.raw);
    case json::Kind::kObject:
      return Value::JsonMap(json.raw);
  }
  return Value();
}

Value FromMicros(int64_t micros) { return Value::OfTimestamp(TimestampFromMicros(micros)); }

// A string in the place of another type: decimal, date, timestamp, binary.
Value FromText(const json::Value& json, FieldType type, base::Arena* arena) {
  const std::string_view text = Text(json, arena);
  switch (type) {
    case FieldType::kString:
      return Value::String(text);
    case FieldType::kTimestamp:
      if (const auto micros = base::ParseTimestamp(text); micros.ok()) return FromMicros(*micros);
      break;
    case FieldType::kDate:
      if (const auto days = base::ParseDate(text); days.ok()) {
        return FromMicros(*days * base::kMicrosPerDay);
      }
      break;
    case FieldType::kDecimal:
      if (double number; text.find_first_of("xX") == std::string_view::npos &&
                         absl::SimpleAtod(base::AbslView(text), &number) && std::isfinite(number)) {
        return Value::Double(number);
      }
      break;
    case FieldType::kBinary:
      if (std::string bytes; absl::Base64Unescape(base::AbslView(text), &bytes)) {
        return Value::Bytes(arena->Copy(bytes));
      }
      break;
    default:
      break;
  }
  return Mismatch(json, type, arena);
}

Value FromNumber(const json::Value& json, FieldType type, base::Arena* arena) {
  int64_t integer = 0;
  switch (type) {
    case FieldType::kInt:
    case FieldType::kLong:
      if (ParseInteger(json, &integer)) return Value::Int(integer);
      break;
    case FieldType::kFloat:
    case FieldType::kDouble:
    case FieldType::kDecimal:
      return Real(json, arena);
    case FieldType::kTimestamp:
      if (const auto micros = base::ParseEpoch(json.raw); micros.ok()) return FromMicros(*micros);
      break;
    default:
      break;
  }
  return Mismatch(json, type, arena);
}

}  // namespace

Value FromJson(const json::Value& json, FieldType type, base::Arena* arena) {
  if (type == FieldType::kDyn) return Untyped(json, arena);
  switch (json.kind) {
    case json::Kind::kAbsent:
      return Value();
    case json::Kind::kNull:
      return Value::Null();
    case json::Kind::kNumber:
      return FromNumber(json, type, arena);
    case json::Kind::kString:
      return FromText(json, type, arena);
    case json::Kind::kFalse:
    case json::Kind::kTrue:
      if (type == FieldType::kBoolean) return Value::Bool(json.kind == json::Kind::kTrue);
      break;
    case json::Kind::kArray:
      if (type == FieldType::kList) return Value::JsonList(json.raw);
      break;
    case json::Kind::kObject:
      if (type == FieldType::kStruct || type == FieldType::kMap) return Value::JsonMap(json.raw);
      break;
  }
  return Mismatch(json, type, arena);
}

}  // namespace levada::expr
