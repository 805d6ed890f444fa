#include "cli/target/log_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::cli {
namespace {

// In the order of the line.
using Json = nlohmann::ordered_json;

constexpr std::string_view kKnown[] = {"ts", "level", "msg", "service", "pipeline", "stage"};

bool IsText(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string();
}

std::string Value(const Json& value) {
  if (!value.is_string()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string& text = value.get_ref<const std::string&>();
  const bool plain = !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\x7f';
  });
  return plain ? text : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string Readable(std::string_view line) {
  if (!line.starts_with('{')) return std::string(line);
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object() || !IsText(object, "msg") || !IsText(object, "level")) {
    return std::string(line);
  }
  std::string level = object["level"].get<std::string>();
  absl::AsciiStrToUpper(&level);
  level.resize(std::max<size_t>(level.size(), 5), ' ');
  std::string text = base::StrCat(IsText(object, "ts") ? object["ts"].get<std::string>() : "-", " ",
                                  level, " ", object["msg"].get<std::string>());
  for (const auto& [name, value] : object.items()) {
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
    base::StrAppend(&text, " ", name, "=", Value(value));
  }
  return text;
}

int64_t TimeOf(std::string_view line) {
  constexpr std::string_view kTime = "{\"ts\":\"";
  if (!line.starts_with(kTime)) return -1;
  line.remove_prefix(kTime.size());
  const auto time = base::ParseTimestamp(line.substr(0, line.find('"')));
  return time.ok() ? *time : -1;
}

}  // namespace levada::cli
