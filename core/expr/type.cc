#include "core/expr/type.h"

#include <iterator>

#include "absl/status/status.h"
#include "core/base/strings.h"

namespace levada::expr {
namespace {

constexpr std::string_view kKindNames[] = {"dyn",
                                           "error",
                                           "null_type",
                                           "bool",
                                           "int",
                                           "uint",
                                           "double",
                                           "string",
                                           "bytes",
                                           "google.protobuf.Timestamp",
                                           "google.protobuf.Duration",
                                           "type",
                                           "list",
                                           "map",
                                           "optional_type",
                                           "net.IP",
                                           "net.CIDR"};
static_assert(std::size(kKindNames) == static_cast<size_t>(Kind::kCidr) + 1);

struct FieldTypeRow {
  std::string_view name;
  FieldType type;
  Type expression_type;
};
constexpr FieldTypeRow kFieldTypes[] = {
    {"boolean", FieldType::kBoolean, {Kind::kBool}},
    {"int", FieldType::kInt, {Kind::kInt}},
    {"long", FieldType::kLong, {Kind::kInt}},
    {"float", FieldType::kFloat, {Kind::kDouble}},
    {"double", FieldType::kDouble, {Kind::kDouble}},
    {"decimal", FieldType::kDecimal, {Kind::kDouble}},
    {"date", FieldType::kDate, {Kind::kTimestamp}},
    {"timestamp", FieldType::kTimestamp, {Kind::kTimestamp}},
    {"string", FieldType::kString, {Kind::kString}},
    {"binary", FieldType::kBinary, {Kind::kBytes}},
    {"list", FieldType::kList, {Kind::kList}},
    {"struct", FieldType::kStruct, {Kind::kMap, Kind::kString, Kind::kNone}},
    {"map", FieldType::kMap, {Kind::kMap, Kind::kString, Kind::kNone}},
};

std::string_view ShortName(Kind kind) {
  if (kind == Kind::kTimestamp) return "timestamp";
  if (kind == Kind::kDuration) return "duration";
  if (kind == Kind::kNull) return "null";
  return KindName(kind);
}

}  // namespace

std::string_view KindName(Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::string Type::ToString() const {
  switch (kind) {
    case Kind::kList:
    case Kind::kOptional:
      return base::StrCat(ShortName(kind), "(", ShortName(element), ")");
    case Kind::kMap:
      return base::StrCat("map(", ShortName(key), ", ", ShortName(element), ")");
    default:
      return std::string(ShortName(kind));
  }
}

absl::StatusOr<FieldType> ParseFieldType(std::string_view name) {
  std::string known;
  for (const FieldTypeRow& row : kFieldTypes) {
    if (row.name == name) return row.type;
    base::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::NotFoundError(base::StrCat("no such type: '", name, "'; expected one of ", known));
}

std::string_view FieldTypeName(FieldType type) {
  for (const FieldTypeRow& row : kFieldTypes) {
    if (row.type == type) return row.name;
  }
  return "dyn";
}

Type TypeOf(FieldType type) {
  for (const FieldTypeRow& row : kFieldTypes) {
    if (row.type == type) return row.expression_type;
  }
  return Type::Dyn();
}

}  // namespace levada::expr
