#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "levada/v1/pipeline.pb.h"

// CSV (core/base/csv.h) on the way into and out of `levada pipe`.
//
//   auto in = CsvInput::Make("timestamp,value", topic);
//   in->Event("2014-04-01 00:00:00,20.0")       // {"timestamp":"2014-04-01 00:00:00","value":20.0}
//   CsvOutput out({"timestamp", "score"});
//   out.Append(event, &text);                   // 2014-04-01 00:00:00,1.25
//
// Threads: one at a time.
namespace levada::runtime {

// Whether a record's quotes are still open at the end of a line: it goes on on the next one.
bool GoesOn(std::string_view record);

// What a field is, its column's name says: text where the topic declares it as string, date or
// timestamp; else a number or a boolean where it is written as JSON has them (20.0, not +20 or
// 020), and text where it is not. An empty field is left out, and so is not there for `has`.
class CsvInput {
 public:
  // `topic`: whose events the rows are; may be null. InvalidArgument: no header.
  static absl::StatusOr<CsvInput> Make(std::string_view header, const v1::Topic* topic);

  // The JSON of a row. InvalidArgument: not one row with the header's number of fields.
  absl::StatusOr<std::string> Event(std::string_view row) const;

 private:
  struct Column {
    std::string key;  // `"value":`
    bool text = false;
  };
  std::vector<Column> columns_;
};

// Fields of events as rows. Text is written without its quotes, other values as they stand; what is
// absent or null is empty.
class CsvOutput {
 public:
  explicit CsvOutput(std::vector<std::string> fields) : fields_(std::move(fields)) {}

  std::string Header() const;  // with the line's end
  // Adds the row of an event, a JSON object, and the line's end.
  absl::Status Append(std::string_view event, std::string* rows) const;

 private:
  std::vector<std::string> fields_;
};

}  // namespace levada::runtime
