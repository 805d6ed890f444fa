#include "core/runtime/csv_lines.h"

#include <algorithm>

#include "core/base/csv.h"
#include "core/base/strings.h"
#include "core/json/scan.h"
#include "core/json/write.h"

namespace levada::runtime {
namespace {

// A reader leaves it out at the beginning of a text, which a row is not.
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsText(const v1::Topic* topic, std::string_view name) {
  if (topic == nullptr) return false;
  for (const v1::Field& field : topic->fields()) {
    if (field.name() != name) continue;
    return field.type() == v1::FIELD_TYPE_STRING || field.type() == v1::FIELD_TYPE_DATE ||
           field.type() == v1::FIELD_TYPE_TIMESTAMP;
  }
  return false;
}

bool IsLiteral(std::string_view field) {
  if (field == "true" || field == "false") return true;
  json::Value value;
  return json::ScanValue(field, &value).ok() && value.kind == json::Kind::kNumber &&
         value.raw.size() == field.size();
}

// Of a line's end CR LF the first is still there.
std::string_view WithoutReturn(std::string_view record) {
  if (!record.empty() && record.back() == '\r') record.remove_suffix(1);
  return record;
}

// The fields of the one record that a text holds.
absl::Status ReadOne(base::CsvReader* reader) {
  if (reader->Next()) return absl::OkStatus();
  return reader->status().ok() ? absl::InvalidArgumentError("no fields") : reader->status();
}

void AppendField(std::string_view text, std::string* rows) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos &&
      !text.starts_with(kByteOrderMark)) {
    rows->append(text);
    return;
  }
  rows->push_back('"');
  for (const char c : text) {
    if (c == '"') rows->push_back('"');
    rows->push_back(c);
  }
  rows->push_back('"');
}

}  // namespace

bool GoesOn(std::string_view record) {
  return std::count(record.begin(), record.end(), '"') % 2 != 0;
}

absl::StatusOr<CsvInput> CsvInput::Make(std::string_view header, const v1::Topic* topic) {
  base::CsvReader reader(WithoutReturn(header));
  if (absl::Status status = ReadOne(&reader); !status.ok()) return status;
  CsvInput input;
  const std::vector<std::string_view>& names = reader.fields();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || std::find(names.begin(), names.begin() + i, names[i]) !=
                                names.begin() + static_cast<ptrdiff_t>(i)) {
      return absl::InvalidArgumentError(base::StrCat(
          "the header's column ", i + 1, " has no name, or that of a column before it"));
    }
    Column& column = input.columns_.emplace_back();
    json::AppendString(names[i], &column.key);
    column.key.push_back(':');
    column.text = IsText(topic, names[i]);
  }
  return input;
}

absl::StatusOr<std::string> CsvInput::Event(std::string_view row) const {
  const std::string marked =
      row.starts_with(kByteOrderMark) ? base::StrCat(kByteOrderMark, row) : "";
  base::CsvReader reader(WithoutReturn(marked.empty() ? row : marked));
  if (absl::Status status = ReadOne(&reader); !status.ok()) return status;
  const std::vector<std::string_view>& fields = reader.fields();
  if (fields.size() != columns_.size()) {
    return absl::InvalidArgumentError(
        base::StrCat(fields.size(), " fields where the header has ", columns_.size()));
  }
  std::string event = "{";
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].empty()) continue;
    if (event.size() > 1) event.push_back(',');
    event.append(columns_[i].key);
    if (!columns_[i].text && IsLiteral(fields[i])) {
      event.append(fields[i]);
    } else {
      json::AppendString(fields[i], &event);
    }
  }
  event.push_back('}');
  if (reader.Next() || !reader.status().ok()) {
    return absl::InvalidArgumentError("more than one row where one is expected");
  }
  return event;
}

std::string CsvOutput::Header() const {
  std::string row;
  for (const std::string& field : fields_) {
    if (!row.empty()) row.push_back(',');
    AppendField(field, &row);
  }
  row.push_back('\n');
  return row;
}

absl::Status CsvOutput::Append(std::string_view event, std::string* rows) const {
  json::FieldSet wanted;
  for (const std::string& field : fields_) wanted.Add(field);
  std::vector<json::Value> values(wanted.size());
  json::ScanInfo info;
  const json::ScanError error = json::Scan(event, wanted, values, &info);
  if (!error.ok()) return absl::InvalidArgumentError(error.Message(wanted));
  std::string text;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (i > 0) rows->push_back(',');
    const json::Value& value = values[wanted.Find(fields_[i])];
    if (value.kind == json::Kind::kAbsent || value.kind == json::Kind::kNull) continue;
    text.clear();
    if (value.kind == json::Kind::kString) {
      json::Unescape(value.raw, &text);
    } else {
      text.assign(value.raw);
    }
    AppendField(text, rows);
  }
  rows->push_back('\n');
  return absl::OkStatus();
}

}  // namespace levada::runtime
