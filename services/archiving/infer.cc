#include <algorithm>
#include <charconv>
#include <vector>

#include "core/base/strings.h"
#include "core/json/scan.h"
#include "services/archiving/file_writer.h"

namespace levada::archiving {
namespace {

using json::Kind;

// The narrowest type that a value fits.
ColumnType TypeOfValue(const json::Value& value) {
  switch (value.kind) {
    case Kind::kTrue:
    case Kind::kFalse:
      return ColumnType::kBoolean;
    case Kind::kString:
      return ColumnType::kString;
    case Kind::kNumber: {
      const char* const end = value.raw.data() + value.raw.size();
      int64_t whole = 0;
      if (value.integral && std::from_chars(value.raw.data(), end, whole).ec == std::errc()) {
        return ColumnType::kLong;
      }
      double real = 0;
      const bool fits = std::from_chars(value.raw.data(), end, real).ec == std::errc();
      return fits ? ColumnType::kDouble : ColumnType::kAny;
    }
    default:
      return ColumnType::kAny;
  }
}

ColumnType Wider(ColumnType a, ColumnType b) {
  if (a == b) return a;
  const auto is_number = [](ColumnType type) {
    return type == ColumnType::kLong || type == ColumnType::kDouble;
  };
  return is_number(a) && is_number(b) ? ColumnType::kDouble : ColumnType::kAny;
}

bool IsMetaColumn(std::string_view name) {
  return std::find(std::begin(kMetaColumns), std::end(kMetaColumns), name) !=
         std::end(kMetaColumns);
}

// Index of the column `name`, or columns.size(). Events have their fields mostly in one order:
// the search starts at `hint`.
size_t FindColumn(const Columns& columns, std::string_view name, size_t hint) {
  if (hint < columns.size() && columns[hint].name == name) return hint;
  const auto is_it = [&](const Column& column) { return column.name == name; };
  return static_cast<size_t>(std::find_if(columns.begin(), columns.end(), is_it) - columns.begin());
}

// Widens column `at`, or adds it where there is room for it.
void PutColumn(std::string_view name, ColumnType type, size_t at, Columns* columns) {
  if (at < columns->size()) {
    (*columns)[at].type = Wider((*columns)[at].type, type);
  } else if (columns->size() < kMaxInferredColumns && !IsMetaColumn(name)) {
    columns->push_back({.name = std::string(name), .type = type});
  }
}

}  // namespace

bool InferColumns(std::string_view event, Columns* columns, std::string* error) {
  std::vector<bool> seen(columns->size() + 1);
  size_t hint = 0;
  std::string decoded;
  json::ForEachMember(event.substr(event.find('{')),
                      [&](std::string_view key, bool escaped, const json::Value& value) {
                        if (escaped) {
                          decoded.clear();
                          json::Unescape(key, &decoded);
                        }
                        const std::string_view name = escaped ? decoded : key;
                        const size_t at = FindColumn(*columns, name, hint);
                        hint = at + 1;
                        if (at < seen.size() && at < columns->size() && seen[at]) {
                          *error = base::StrCat("field `", name, "` stands there twice");
                          return false;
                        }
                        if (value.kind == Kind::kNull && at == columns->size()) return true;
                        if (value.kind != Kind::kNull)
                          PutColumn(name, TypeOfValue(value), at, columns);
                        seen.resize(columns->size() + 1);
                        seen[at] = true;
                        return true;
                      });
  return error->empty();
}

void MergeColumns(const Columns& other, Columns* columns) {
  for (const Column& column : other) {
    PutColumn(column.name, column.type, FindColumn(*columns, column.name, 0), columns);
  }
}

}  // namespace levada::archiving
