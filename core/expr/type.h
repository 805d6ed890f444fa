#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Kinds of values, and what is known of them before anything is evaluated.
//
// Thread-safety: plain values.
namespace levada::expr {

// The kinds of CEL, plus errors. kNone means "no value" (a slot that is not set) and, as a static
// type, "not known until evaluated" (CEL's dyn).
enum class Kind : uint8_t {
  kNone,
  kError,
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kType,
  kList,
  kMap,
  kOptional,
  kIp,
  kCidr,
};

// CEL's name of a kind: "int", "google.protobuf.Timestamp", "net.IP"; "dyn" for kNone.
std::string_view KindName(Kind kind);

// The static type of an expression. The parameters of lists and maps are kept one level deep.
struct Type {
  Kind kind = Kind::kNone;
  Kind key = Kind::kNone;      // of a map
  Kind element = Kind::kNone;  // of a list, of a map's values, of an optional

  static constexpr Type Dyn() { return {}; }
  bool dyn() const { return kind == Kind::kNone; }
  bool operator==(const Type&) const = default;
  // "double", "list(string)", "map(string, dyn)", "timestamp"
  std::string ToString() const;
};

// The type that a topic declares for a field: how its JSON is read.
enum class FieldType : uint8_t {
  kDyn,        // not declared: by the JSON itself, a number is a double
  kBoolean,    //
  kInt,        // a whole number
  kLong,       // a whole number
  kFloat,      // a number
  kDouble,     // a number
  kDecimal,    // a number, or a string that holds one; evaluates as double
  kDate,       // "2026-11-02"; evaluates as the timestamp of its midnight in UTC
  kTimestamp,  // RFC 3339, or a number since 1970 in s, ms, us or ns (told by its size)
  kString,     //
  kBinary,     // a string in base64
  kList,       //
  kStruct,     //
  kMap,        //
};

// "double" → kDouble. NotFound for a name that no field can have.
absl::StatusOr<FieldType> ParseFieldType(std::string_view name);
std::string_view FieldTypeName(FieldType type);
// The type its values have in expressions.
Type TypeOf(FieldType type);

}  // namespace levada::expr
