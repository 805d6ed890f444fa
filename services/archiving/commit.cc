#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "services/archiving/commit_log.h"

namespace levada::archiving {
namespace {

using Json = nlohmann::ordered_json;

// Typed reads that do not throw. False: absent or of another type.
bool Read(const Json& object, const char* key, std::string* out) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_string()) return false;
  *out = at->get<std::string>();
  return true;
}

template <typename Int>
bool Read(const Json& object, const char* key, Int* out) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number_integer()) return false;
  *out = at->get<Int>();
  return true;
}

const Json* Child(const Json& object, const char* key, bool is_list) {
  const auto at = object.find(key);
  if (at == object.end()) return nullptr;
  return (is_list ? at->is_array() : at->is_object()) ? &*at : nullptr;
}

bool ReadOffsets(const Json& table, TableOffsets* offsets) {
  for (const auto& [partition, value] : table.items()) {
    int32_t number = 0;
    TableOffset offset;
    if (!absl::SimpleAtoi(partition, &number) || !value.is_object() ||
        !Read(value, "epoch", &offset.epoch) || !Read(value, "next", &offset.next) ||
        !Read(value, "mark", &offset.mark)) {
      return false;
    }
    (*offsets)[number] = offset;
  }
  return true;
}

bool ReadCommit(const Json& json, Commit* commit) {
  if (!json.is_object()) return false;
  const Json* offsets = Child(json, "offsets", false);
  const Json* columns = Child(json, "columns", true);
  const Json* files = Child(json, "files", true);
  if (!Read(json, "version", &commit->version) || !Read(json, "owner", &commit->owner) ||
      !Read(json, "time", &commit->time) || offsets == nullptr || columns == nullptr ||
      files == nullptr) {
    return false;
  }
  for (const auto& [table, value] : offsets->items()) {
    if (!value.is_object() || !ReadOffsets(value, &commit->offsets[table])) return false;
  }
  for (const Json& entry : *columns) {
    Column column;
    std::string type;
    if (!entry.is_object() || !Read(entry, "name", &column.name) || !Read(entry, "type", &type)) {
      return false;
    }
    column.type = TypeOf(type);
    commit->columns.push_back(std::move(column));
  }
  for (const Json& entry : *files) {
    CommittedFile file;
    if (!entry.is_object() || !Read(entry, "path", &file.path) ||
        !Read(entry, "temp", &file.temp) || !Read(entry, "rows", &file.rows) ||
        !Read(entry, "bytes", &file.bytes)) {
      return false;
    }
    commit->files.push_back(std::move(file));
  }
  return true;
}

}  // namespace

std::string ToJson(const Commit& commit) {
  Json offsets = Json::object();
  for (const auto& [table, partitions] : commit.offsets) {
    Json& entry = offsets[table] = Json::object();
    for (const auto& [partition, offset] : partitions) {
      entry[std::to_string(partition)] = {
          {"epoch", offset.epoch}, {"next", offset.next}, {"mark", offset.mark}};
    }
  }
  Json columns = Json::array();
  for (const Column& column : commit.columns) {
    columns.push_back({{"name", column.name}, {"type", std::string(TypeName(column.type))}});
  }
  Json files = Json::array();
  for (const CommittedFile& file : commit.files) {
    files.push_back(
        {{"path", file.path}, {"temp", file.temp}, {"rows", file.rows}, {"bytes", file.bytes}});
  }
  const Json json = {{"version", commit.version},     {"owner", commit.owner},
                     {"time", commit.time},           {"offsets", std::move(offsets)},
                     {"columns", std::move(columns)}, {"files", std::move(files)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<Commit> ParseCommit(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Commit commit;
  if (ReadCommit(json, &commit)) return commit;
  return absl::InvalidArgumentError("it is no commit of a Levada archive");
}

}  // namespace levada::archiving
