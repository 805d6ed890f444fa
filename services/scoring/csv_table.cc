#include "services/scoring/csv_table.h"

#include <algorithm>
#include <vector>

#include "core/base/csv.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "services/scoring/read_file.h"

namespace levada::scoring {
namespace {

constexpr size_t kMaxBytes = 256u << 20;
constexpr size_t kMaxColumns = 1024;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(base::AbslView(message));
}

absl::Status OnLine(size_t line, std::string_view message) {
  return Invalid(base::StrCat("line ", line, ": ", message));
}

struct Header {
  std::vector<std::string> names;  // as the JSON of a key: `"code":`
  size_t key = 0;                  // column
};

absl::StatusOr<Header> ReadHeader(base::CsvReader* reader, const std::string& key) {
  if (!reader->Next()) {
    return reader->status().ok() ? Invalid("has no header line") : reader->status();
  }
  const std::vector<std::string_view>& columns = reader->fields();
  if (columns.size() > kMaxColumns) {
    return Invalid(base::StrCat("has ", columns.size(), " columns; ", kMaxColumns, " at most"));
  }
  Header header;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) {
      return OnLine(reader->line(), base::StrCat("column ", i + 1, " has no name"));
    }
    if (std::find(columns.begin(), columns.begin() + i, columns[i]) != columns.begin() + i) {
      return OnLine(reader->line(), base::StrCat("a second column `", columns[i], "`"));
    }
    json::AppendString(columns[i], &header.names.emplace_back());
    header.names.back().push_back(':');
  }
  if (key.empty()) return header;
  const auto found = std::find(columns.begin(), columns.end(), key);
  if (found == columns.end()) {
    std::string names;
    for (const std::string_view name : columns) base::StrAppend(&names, ", `", name, "`");
    return Invalid(base::StrCat("has no column `", key, "`; it has ", names.substr(2)));
  }
  header.key = static_cast<size_t>(found - columns.begin());
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CsvTable>> CsvTable::Parse(std::string_view text,
                                                          const std::string& key) {
  if (text.size() > kMaxBytes) return Invalid("is larger than 256 MiB");
  base::CsvReader reader(text);
  const absl::StatusOr<Header> header = ReadHeader(&reader, key);
  if (!header.ok()) return header.status();
  auto table = std::make_unique<CsvTable>();
  // No key is longer than what it was read from: the memory that the views are of does not move.
  table->keys_.reserve(text.size());
  while (reader.Next()) {
    const std::vector<std::string_view>& fields = reader.fields();
    if (fields.size() != header->names.size()) {
      return OnLine(reader.line(), base::StrCat(fields.size(), " fields where the header has ",
                                                header->names.size()));
    }
    const size_t offset = table->rows_.size();
    for (size_t i = 0; i < fields.size(); ++i) {
      table->rows_.push_back(i == 0 ? '{' : ',');
      table->rows_.append(header->names[i]);
      json::AppendString(fields[i], &table->rows_);
    }
    table->rows_.push_back('}');
    const size_t begin = table->keys_.size();
    table->keys_.append(fields[header->key]);
    const std::string_view own = std::string_view(table->keys_).substr(begin);
    if (!table->places_.try_emplace(own, Place{offset, table->rows_.size() - offset}).second) {
      return OnLine(reader.line(), base::StrCat("a second row with the key `", own, "`"));
    }
  }
  if (!reader.status().ok()) return reader.status();
  return table;
}

absl::StatusOr<std::unique_ptr<CsvTable>> CsvTable::Load(const std::string& path,
                                                         const std::string& key) {
  auto text = ReadFile(path, kMaxBytes);
  auto table = text.ok() ? Parse(*text, key) : text.status();
  if (table.ok()) return table;
  const char* const colon = table.status().message().substr(0, 5) == "line " ? ": " : " ";
  return Invalid(base::StrCat("the file ", path, colon, table.status().message()));
}

std::optional<std::string_view> CsvTable::Find(std::string_view key) const {
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  return std::string_view(rows_).substr(found->second.offset, found->second.size);
}

}  // namespace levada::scoring
