// type(), the conversions between kinds, size(), base64.
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "core/base/utf8.h"
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"
#include "core/expr/text.h"
#include "core/expr/time.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

Value Same(const Value* args, size_t, Activation&) { return args[0]; }
Value TypeOfValue(const Value* args, size_t, Activation&) {
  return Value::OfType(KindName(args[0].kind()));
}

Value IntFromUint(const Value* args, size_t, Activation&) {
  if (args[0].unsigned_integer() > INT64_MAX) return Value::Error("integer overflow");
  return Value::Int(static_cast<int64_t>(args[0].unsigned_integer()));
}

Value IntFromDouble(const Value* args, size_t, Activation&) {
  const double real = std::trunc(args[0].real());
  if (!(real > -9223372036854775808.0 && real < 9223372036854775808.0)) {
    return Value::Error("the number does not fit an int");
  }
  return Value::Int(static_cast<int64_t>(real));
}

template <typename Number>
bool ParseWhole(std::string_view text, Number* number) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

Value IntFromString(const Value* args, size_t, Activation& activation) {
  if (int64_t number; ParseWhole(args[0].text(), &number)) return Value::Int(number);
  return Fail(activation, "not an int: '", args[0].text().substr(0, 40), "'");
}

Value IntFromTimestamp(const Value* args, size_t, Activation&) {
  return Value::Int(args[0].timestamp().seconds);
}

Value UintFromInt(const Value* args, size_t, Activation&) {
  if (args[0].integer() < 0) return Value::Error("a negative number does not fit a uint");
  return Value::Uint(static_cast<uint64_t>(args[0].integer()));
}

Value UintFromDouble(const Value* args, size_t, Activation&) {
  const double real = std::trunc(args[0].real());
  if (!(real >= 0 && args[0].real() >= 0 && real < 18446744073709551616.0)) {
    return Value::Error("the number does not fit a uint");
  }
  return Value::Uint(static_cast<uint64_t>(real));
}

Value UintFromString(const Value* args, size_t, Activation& activation) {
  const bool sign = args[0].text().starts_with('+');
  if (uint64_t number; !sign && ParseWhole(args[0].text(), &number)) {
    return Value::Uint(number);
  }
  return Fail(activation, "not a uint: '", args[0].text().substr(0, 40), "'");
}

Value DoubleFromInt(const Value* args, size_t, Activation&) {
  return Value::Double(static_cast<double>(args[0].integer()));
}
Value DoubleFromUint(const Value* args, size_t, Activation&) {
  return Value::Double(static_cast<double>(args[0].unsigned_integer()));
}
Value DoubleFromString(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  const bool spaced =
      !text.empty() && (absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back()));
  const bool hex = text.find_first_of("xX") != std::string_view::npos;
  if (double number; !spaced && !hex && absl::SimpleAtod(base::AbslView(text), &number))
    return Value::Double(number);
  return Fail(activation, "not a double: '", text.substr(0, 40), "'");
}

Value StringFromBytes(const Value* args, size_t, Activation&) {
  if (!base::IsUtf8(args[0].text())) return Value::Error("the bytes are not UTF-8");
  return Value::String(args[0].text());
}
Value StringFromScalar(const Value* args, size_t, Activation& activation) {
  std::string text;
  AppendText(args[0], &text);
  return NewString(activation, text);
}

Value BytesFromString(const Value* args, size_t, Activation&) {
  return Value::Bytes(args[0].text());
}

Value BoolFromString(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return Value::Bool(true);
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return Value::Bool(false);
  }
  return Fail(activation, "not a bool: '", text.substr(0, 40), "'");
}

Value TimestampFromString(const Value* args, size_t, Activation& activation) {
  if (Timestamp time; ParseTimestamp(args[0].text(), &time)) return Value::OfTimestamp(time);
  return Fail(activation, "not a timestamp (RFC 3339, years 1 to 9999): '",
              args[0].text().substr(0, 60), "'");
}
Value TimestampFromInt(const Value* args, size_t, Activation&) {
  const Timestamp time{args[0].integer(), 0};
  if (!InRange(time)) return Value::Error("timestamp out of range (years 1 to 9999)");
  return Value::OfTimestamp(time);
}

Value DurationFromString(const Value* args, size_t, Activation& activation) {
  if (int64_t nanos; ParseDuration(args[0].text(), &nanos)) return Value::Duration(nanos);
  return Fail(activation, "not a duration (like 1h30m, 45s, 250ms): '",
              args[0].text().substr(0, 60), "'");
}

Value SizeOfString(const Value* args, size_t, Activation&) {
  return Value::Int(static_cast<int64_t>(CountCodePoints(args[0].text())));
}
Value SizeOfBytes(const Value* args, size_t, Activation&) {
  return Value::Int(static_cast<int64_t>(args[0].text().size()));
}
Value SizeOfContainer(const Value* args, size_t, Activation&) {
  return Value::Int(SizeOf(args[0]));
}

Value Base64Encode(const Value* args, size_t, Activation& activation) {
  return NewString(activation, absl::Base64Escape(base::AbslView(args[0].text())));
}
Value Base64Decode(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  std::string bytes;
  // Blanks, which Abseil would pass over, are no more base64 than other characters; line ends are.
  if (text.find_first_of(" \t\v\f") != std::string_view::npos ||
      !absl::Base64Unescape(base::AbslView(text), &bytes)) {
    return Value::Error("not base64");
  }
  return Value::Bytes(NewString(activation, bytes).text());
}

Value JsonEncode(const Value* args, size_t, Activation& activation) {
  std::string json;
  if (!AppendJson(args[0], &json))
    return Value::Error("the value is too large or too deep for JSON");
  return NewString(activation, json);
}

// Read when it is looked at, like the event itself.
Value JsonDecode(const Value* args, size_t, Activation& activation) {
  json::Value json;
  const json::ScanError error = json::ScanValue(args[0].text(), &json);
  if (error.ok()) return Untyped(json, &activation.arena());
  return Fail(activation, "json.decode: ", error.Message(json::FieldSet()));
}

constexpr Type kTypeType{Kind::kType}, kBool{Kind::kBool}, kInt{Kind::kInt}, kUint{Kind::kUint},
    kDouble{Kind::kDouble}, kString{Kind::kString}, kBytes{Kind::kBytes},
    kTimestamp{Kind::kTimestamp}, kDuration{Kind::kDuration};

constexpr Function kFunctions[] = {
    {"type", Style::kGlobal, kTypeType, {Kind::kNone}, 1, TypeOfValue, "the type of a value"},
    {"dyn", Style::kGlobal, {}, {Kind::kNone}, 1, Same, "the value, its type left open"},
    {"size", Style::kBoth, kInt, {Kind::kString}, 1, SizeOfString, "characters of a text"},
    {"size", Style::kBoth, kInt, {Kind::kBytes}, 1, SizeOfBytes, "number of bytes"},
    {"size", Style::kBoth, kInt, {Kind::kList}, 1, SizeOfContainer, "elements of a list"},
    {"size", Style::kBoth, kInt, {Kind::kMap}, 1, SizeOfContainer, "entries of a map"},
    {"bool", Style::kGlobal, kBool, {Kind::kBool}, 1, Same, "the same"},
    {"bool",
     Style::kGlobal,
     kBool,
     {Kind::kString},
     1,
     BoolFromString,
     "\"true\", \"t\", \"1\" or \"false\", \"f\", \"0\""},
    {"int", Style::kGlobal, kInt, {Kind::kInt}, 1, Same, "the same"},
    {"int", Style::kGlobal, kInt, {Kind::kUint}, 1, IntFromUint, "the same number"},
    {"int", Style::kGlobal, kInt, {Kind::kDouble}, 1, IntFromDouble, "cut towards zero"},
    {"int", Style::kGlobal, kInt, {Kind::kString}, 1, IntFromString, "a decimal number"},
    {"int", Style::kGlobal, kInt, {Kind::kTimestamp}, 1, IntFromTimestamp, "seconds since 1970"},
    {"uint", Style::kGlobal, kUint, {Kind::kUint}, 1, Same, "the same"},
    {"uint", Style::kGlobal, kUint, {Kind::kInt}, 1, UintFromInt, "the same number"},
    {"uint", Style::kGlobal, kUint, {Kind::kDouble}, 1, UintFromDouble, "cut towards zero"},
    {"uint", Style::kGlobal, kUint, {Kind::kString}, 1, UintFromString, "a decimal number"},
    {"double", Style::kGlobal, kDouble, {Kind::kDouble}, 1, Same, "the same"},
    {"double", Style::kGlobal, kDouble, {Kind::kInt}, 1, DoubleFromInt, "the nearest double"},
    {"double", Style::kGlobal, kDouble, {Kind::kUint}, 1, DoubleFromUint, "the nearest double"},
    {"double",
     Style::kGlobal,
     kDouble,
     {Kind::kString},
     1,
     DoubleFromString,
     "a number, \"NaN\", \"Infinity\""},
    {"string", Style::kGlobal, kString, {Kind::kString}, 1, Same, "the same"},
    {"string", Style::kGlobal, kString, {Kind::kBytes}, 1, StringFromBytes, "bytes as UTF-8"},
    {"string", Style::kGlobal, kString, {Kind::kBool}, 1, StringFromScalar, "true or false"},
    {"string", Style::kGlobal, kString, {Kind::kInt}, 1, StringFromScalar, "decimal"},
    {"string", Style::kGlobal, kString, {Kind::kUint}, 1, StringFromScalar, "decimal"},
    {"string",
     Style::kGlobal,
     kString,
     {Kind::kDouble},
     1,
     StringFromScalar,
     "the shortest that reads back to it"},
    {"string", Style::kGlobal, kString, {Kind::kTimestamp}, 1, StringFromScalar, "RFC 3339"},
    {"string",
     Style::kGlobal,
     kString,
     {Kind::kDuration},
     1,
     StringFromScalar,
     "seconds, as in 3.5s"},
    {"string", Style::kGlobal, kString, {Kind::kIp}, 1, StringFromScalar, "the address"},
    {"string", Style::kGlobal, kString, {Kind::kCidr}, 1, StringFromScalar, "the block"},
    {"bytes", Style::kGlobal, kBytes, {Kind::kBytes}, 1, Same, "the same"},
    {"bytes", Style::kGlobal, kBytes, {Kind::kString}, 1, BytesFromString, "a text's UTF-8"},
    {"timestamp", Style::kGlobal, kTimestamp, {Kind::kTimestamp}, 1, Same, "the same"},
    {"timestamp", Style::kGlobal, kTimestamp, {Kind::kString}, 1, TimestampFromString, "RFC 3339"},
    {"timestamp",
     Style::kGlobal,
     kTimestamp,
     {Kind::kInt},
     1,
     TimestampFromInt,
     "seconds since 1970"},
    {"duration", Style::kGlobal, kDuration, {Kind::kDuration}, 1, Same, "the same"},
    {"duration",
     Style::kGlobal,
     kDuration,
     {Kind::kString},
     1,
     DurationFromString,
     "h, m, s, ms, us, ns: 1h30m"},
    {"base64.encode", Style::kGlobal, kString, {Kind::kBytes}, 1, Base64Encode, "bytes in base64"},
    {"base64.decode",
     Style::kGlobal,
     kBytes,
     {Kind::kString},
     1,
     Base64Decode,
     "the bytes, padding or not"},
    {"json.encode", Style::kGlobal, kString, {Kind::kNone}, 1, JsonEncode, "a value as JSON"},
    {"json.decode", Style::kGlobal, {}, {Kind::kString}, 1, JsonDecode, "the value of a JSON text"},
};

}  // namespace

std::span<const Function> ConversionFunctions() { return kFunctions; }

}  // namespace levada::expr
