#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/json/scan.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// An event as the cells of a table's row.
//
//   type        from JSON                                       in Parquet
//   boolean     true, false                                     boolean
//   int, long   a whole number in range (3, 3.0, 3e2)           int32, int64
//   float       a number                                        float
//   double      a number                                        double
//   date        "2026-11-02"                                    date32
//   timestamp   RFC 3339, or a number since 1970 (time.h)       timestamp, microseconds, UTC
//   string      text                                            UTF-8
//   list        an array                                        UTF-8: its JSON
//   struct      an object                                       UTF-8: its JSON
//   any         anything; text as it is, else its JSON          UTF-8
//
// Null and absent are null. Fields that have no column are collected, as JSON, in `extra`. A value
// that does not fit its column is an error of the whole row.
//
// Not thread-safe.
namespace levada::archiving {

enum class ColumnType {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDate,
  kTimestamp,
  kString,
  kList,
  kStruct,
  kAny
};

std::string_view TypeName(ColumnType type);
// kAny for a name that is none.
ColumnType TypeOf(std::string_view name);

struct Column {
  std::string name;
  ColumnType type = ColumnType::kAny;
  bool required = false;
  std::string doc;

  bool operator==(const Column& other) const { return name == other.name && type == other.type; }
};

using Columns = std::vector<Column>;

// The columns that a topic declares; none where it declares no fields.
Columns DeclaredColumns(const v1::Topic& topic);

// The columns that every Parquet file has beside those of the events.
inline constexpr std::string_view kMetaColumns[] = {"_extra", "_key", "_partition", "_offset",
                                                    "_timestamp"};

struct Cell {
  bool is_null = true;
  int64_t number = 0;     // boolean, int, long; date: days; timestamp: microseconds
  double real = 0;        // float, double
  std::string_view text;  // string, list, struct, any
};

struct Row {
  const Record* record = nullptr;
  std::vector<Cell> cells;
  bool has_extra = false;
  std::string_view extra;  // a JSON object
  int64_t event_micros = 0;
};

class RowReader {
 public:
  // `time_field`: the event's time; empty, or absent in an event: the record's timestamp.
  RowReader(Columns columns, std::string_view time_field);

  const Columns& columns() const { return columns_; }

  // What `row` views lives until the next call. False: `error` says which field and why.
  bool Read(const Record& record, Row* row, std::string* error);

 private:
  bool ReadTime(Row* row, std::string* error);
  void CollectExtra(std::string_view event, Row* row);

  const Columns columns_;
  json::FieldSet fields_;
  std::vector<int> slots_of_;    // a column's slot
  std::vector<bool> is_column_;  // of a slot
  int time_slot_ = -1;
  std::vector<json::Value> slots_;
  base::Arena arena_;
  std::string extra_;
};

// The row as a JSON object, as `levada pipe` shows it.
void AppendRow(const Columns& columns, const Row& row, std::string* out);

}  // namespace levada::archiving
