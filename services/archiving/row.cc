#include "services/archiving/row.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/json/write.h"

namespace levada::archiving {
namespace {

using json::Kind;

struct NamedType {
  ColumnType type;
  std::string_view name;
};
constexpr NamedType kTypes[] = {{ColumnType::kBoolean, "boolean"},
                                {ColumnType::kInt, "int"},
                                {ColumnType::kLong, "long"},
                                {ColumnType::kFloat, "float"},
                                {ColumnType::kDouble, "double"},
                                {ColumnType::kDate, "date"},
                                {ColumnType::kTimestamp, "timestamp"},
                                {ColumnType::kString, "string"},
                                {ColumnType::kList, "list"},
                                {ColumnType::kStruct, "struct"},
                                {ColumnType::kAny, "any"}};

ColumnType ColumnTypeOf(v1::FieldType type) {
  switch (type) {
    case v1::FIELD_TYPE_BOOLEAN:
      return ColumnType::kBoolean;
    case v1::FIELD_TYPE_INT:
      return ColumnType::kInt;
    case v1::FIELD_TYPE_LONG:
      return ColumnType::kLong;
    case v1::FIELD_TYPE_FLOAT:
      return ColumnType::kFloat;
    case v1::FIELD_TYPE_DOUBLE:
      return ColumnType::kDouble;
    case v1::FIELD_TYPE_DATE:
      return ColumnType::kDate;
    case v1::FIELD_TYPE_TIMESTAMP:
      return ColumnType::kTimestamp;
    case v1::FIELD_TYPE_STRING:
      return ColumnType::kString;
    case v1::FIELD_TYPE_LIST:
      return ColumnType::kList;
    case v1::FIELD_TYPE_STRUCT:
      return ColumnType::kStruct;
    default:
      return ColumnType::kAny;
  }
}

// The decoded text of a string value.
std::string_view Text(const json::Value& value, base::Arena* arena) {
  if (!value.escaped) return value.raw;
  char* out = arena->Array<char>(value.raw.size());
  return {out, json::UnescapeInto(value.raw, out)};
}

bool ReadDouble(std::string_view raw, double* out) {
  const auto read = std::from_chars(raw.data(), raw.data() + raw.size(), *out);
  return read.ec == std::errc() && std::isfinite(*out);
}

bool ReadWhole(const json::Value& value, int64_t low, int64_t high, int64_t* out) {
  if (value.kind != Kind::kNumber) return false;
  if (value.integral) {
    const auto read = std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), *out);
    return read.ec == std::errc() && *out >= low && *out <= high;
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53
  double real = 0;
  if (!ReadDouble(value.raw, &real) || std::fabs(real) > kExact || real != std::trunc(real)) {
    return false;
  }
  *out = static_cast<int64_t>(real);
  return *out >= low && *out <= high;
}

bool ReadReal(const json::Value& value, ColumnType type, double* out) {
  if (value.kind != Kind::kNumber || !ReadDouble(value.raw, out)) return false;
  return type == ColumnType::kDouble || std::fabs(*out) <= std::numeric_limits<float>::max();
}

template <typename T, typename U>
bool Take(const absl::StatusOr<T>& value, U* out) {
  if (value.ok()) *out = *value;
  return value.ok();
}

bool ReadInstant(const json::Value& value, base::Arena* arena, int64_t* out) {
  if (value.kind == Kind::kNumber) return Take(base::ParseEpoch(value.raw), out);
  return value.kind == Kind::kString && Take(base::ParseTimestamp(Text(value, arena)), out);
}

bool ReadCell(const json::Value& value, ColumnType type, base::Arena* arena, Cell* cell) {
  using Int = std::numeric_limits<int32_t>;
  using Long = std::numeric_limits<int64_t>;
  switch (type) {
    case ColumnType::kBoolean:
      cell->number = value.kind == Kind::kTrue;
      return value.kind == Kind::kTrue || value.kind == Kind::kFalse;
    case ColumnType::kInt:
      return ReadWhole(value, Int::min(), Int::max(), &cell->number);
    case ColumnType::kLong:
      return ReadWhole(value, Long::min(), Long::max(), &cell->number);
    case ColumnType::kFloat:
    case ColumnType::kDouble:
      return ReadReal(value, type, &cell->real);
    case ColumnType::kDate:
      return value.kind == Kind::kString &&
             Take(base::ParseDate(Text(value, arena)), &cell->number);
    case ColumnType::kTimestamp:
      return ReadInstant(value, arena, &cell->number);
    case ColumnType::kString:
      if (value.kind != Kind::kString) return false;
      cell->text = Text(value, arena);
      return true;
    case ColumnType::kList:
      cell->text = value.raw;
      return value.kind == Kind::kArray;
    case ColumnType::kStruct:
      cell->text = value.raw;
      return value.kind == Kind::kObject;
    case ColumnType::kAny:
      cell->text = value.kind == Kind::kString ? Text(value, arena) : value.raw;
      return true;
  }
  return false;
}

std::string DoesNotFit(const Column& column, const json::Value& value) {
  constexpr size_t kShown = 60;
  const std::string_view quote = value.kind == Kind::kString ? "\"" : "";
  std::string_view shown = value.raw.substr(0, kShown);
  while (!shown.empty() && shown.size() < value.raw.size() &&
         (value.raw[shown.size()] & 0xC0) == 0x80) {
    shown.remove_suffix(1);  // not in the middle of a character
  }
  return base::StrCat("field `", column.name, "`: ", quote, shown,
                      shown.size() < value.raw.size() ? "..." : "", quote, " is no ",
                      TypeName(column.type));
}

void AppendCell(ColumnType type, const Cell& cell, std::string* out) {
  if (cell.is_null) {
    out->append("null");
    return;
  }
  switch (type) {
    case ColumnType::kBoolean:
      out->append(cell.number != 0 ? "true" : "false");
      return;
    case ColumnType::kInt:
    case ColumnType::kLong:
      json::AppendInt(cell.number, out);
      return;
    case ColumnType::kFloat:
    case ColumnType::kDouble:
      json::AppendDouble(cell.real, out);
      return;
    case ColumnType::kDate:
      base::StrAppend(out, "\"", base::FormatDate(static_cast<int32_t>(cell.number)), "\"");
      return;
    case ColumnType::kTimestamp:
      base::StrAppend(out, "\"", base::FormatTimestamp(cell.number), "\"");
      return;
    default:
      json::AppendString(cell.text, out);
  }
}

}  // namespace

std::string_view TypeName(ColumnType type) {
  for (const NamedType& named : kTypes) {
    if (named.type == type) return named.name;
  }
  return "any";
}

ColumnType TypeOf(std::string_view name) {
  for (const NamedType& named : kTypes) {
    if (named.name == name) return named.type;
  }
  return ColumnType::kAny;
}

Columns DeclaredColumns(const v1::Topic& topic) {
  Columns columns;
  for (const v1::Field& field : topic.fields()) {
    columns.push_back({field.name(), ColumnTypeOf(field.type()), field.required(), field.doc()});
  }
  return columns;
}

RowReader::RowReader(Columns columns, std::string_view time_field) : columns_(std::move(columns)) {
  for (const Column& column : columns_) slots_of_.push_back(fields_.Add(column.name));
  is_column_.assign(columns_.size(), true);
  if (!time_field.empty()) time_slot_ = fields_.Add(time_field);
  is_column_.resize(fields_.size(), false);
  slots_.resize(fields_.size());
}

bool RowReader::Read(const Record& record, Row* row, std::string* error) {
  arena_.Reset();
  row->record = &record;
  row->has_extra = false;
  row->event_micros = base::MicrosOfMillis(record.timestamp_ms);
  row->cells.assign(columns_.size(), Cell());
  if (!record.has_value) return true;
  json::ScanInfo info;
  const json::ScanError scan = json::Scan(record.value, fields_, slots_, &info);
  if (!scan.ok()) {
    *error = scan.Message(fields_);
    return false;
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    const json::Value& value = slots_[slots_of_[i]];
    const bool is_null = value.kind == Kind::kAbsent || value.kind == Kind::kNull;
    if (is_null && columns_[i].required) {
      *error = base::StrCat("field `", columns_[i].name, "` is required and ",
                            value.kind == Kind::kNull ? "null" : "absent");
      return false;
    }
    if (is_null) continue;
    row->cells[i].is_null = false;
    if (!ReadCell(value, columns_[i].type, &arena_, &row->cells[i])) {
      *error = DoesNotFit(columns_[i], value);
      return false;
    }
  }
  if (!ReadTime(row, error)) return false;
  CollectExtra(record.value, row);
  return true;
}

bool RowReader::ReadTime(Row* row, std::string* error) {
  if (time_slot_ < 0) return true;
  const json::Value& value = slots_[time_slot_];
  if (value.kind == Kind::kAbsent || value.kind == Kind::kNull) return true;
  if (ReadInstant(value, &arena_, &row->event_micros)) return true;
  *error = DoesNotFit({.name = fields_.name(time_slot_), .type = ColumnType::kTimestamp}, value);
  return false;
}

void RowReader::CollectExtra(std::string_view event, Row* row) {
  extra_.assign(1, '{');
  json::ForEachMember(event.substr(event.find('{')), [&](std::string_view key, bool escaped,
                                                         const json::Value& value) {
    int slot = -1;
    if (escaped) {
      std::string name;
      json::Unescape(key, &name);
      slot = fields_.Find(name);
    } else {
      slot = fields_.Find(key);
    }
    if (slot >= 0 && is_column_[slot]) return true;
    const std::string_view quote = value.kind == Kind::kString ? "\"" : "";
    base::StrAppend(&extra_, extra_.size() > 1 ? ",\"" : "\"", key, "\":", quote, value.raw, quote);
    return true;
  });
  if (extra_.size() == 1) return;
  extra_ += '}';
  row->has_extra = true;
  row->extra = extra_;
}

void AppendRow(const Columns& columns, const Row& row, std::string* out) {
  out->push_back('{');
  for (size_t i = 0; i < columns.size(); ++i) {
    json::AppendString(columns[i].name, out);
    out->push_back(':');
    AppendCell(columns[i].type, row.cells[i], out);
    out->push_back(',');
  }
  out->append("\"_extra\":");
  row.has_extra ? json::AppendString(row.extra, out) : void(out->append("null"));
  out->append(",\"_key\":");
  row.record->has_key ? json::AppendString(row.record->key, out) : void(out->append("null"));
  base::StrAppend(out, ",\"_partition\":", row.record->partition,
                  ",\"_offset\":", row.record->offset, ",\"_timestamp\":\"",
                  base::FormatTimestamp(base::MicrosOfMillis(row.record->timestamp_ms)), "\"}");
}

}  // namespace levada::archiving
