#include "cli/test/events.h"

#include <cmath>
#include <fstream>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using nlohmann::json;

constexpr double kLargestWhole = 9007199254740992;  // 2^53

json ValueToJson(const Value& value) {
  switch (value.kind_case()) {
    case Value::kStructValue:
      return ToJson(value.struct_value());
    case Value::kListValue: {
      json list = json::array();
      for (const Value& item : value.list_value().values()) list.push_back(ValueToJson(item));
      return list;
    }
    case Value::kStringValue:
      return value.string_value();
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kNumberValue: {
      const double number = value.number_value();
      const bool whole = std::trunc(number) == number && std::abs(number) <= kLargestWhole;
      return whole ? json(static_cast<int64_t>(number)) : json(number);
    }
    default:
      return nullptr;
  }
}

}  // namespace

json ToJson(const Struct& event) {
  json out = json::object();
  for (const auto& [key, value] : event.fields()) out[key] = ValueToJson(value);
  return out;
}

absl::StatusOr<std::vector<EventLine>> ReadEvents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::NotFoundError(base::StrCat(file, ": cannot be read"));
  std::vector<EventLine> events;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == line.npos) continue;
    json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object()) {
      return absl::InvalidArgumentError(
          base::StrCat(file, ":", number, ": expected an event, which is a JSON object"));
    }
    events.push_back({std::move(line), std::move(event)});
    line.clear();
  }
  return events;
}

}  // namespace levada::cli
