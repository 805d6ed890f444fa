#include "operator/kube/watch_event.h"

#include <utility>

#include "core/base/strings.h"
#include "operator/kube/errors.h"

namespace levada::kube {

absl::StatusOr<WatchEvent> ParseWatchLine(std::string_view line, std::string_view what) {
  static constexpr std::pair<std::string_view, WatchEvent::Type> kTypes[] = {
      {"ADDED", WatchEvent::Type::kAdded},
      {"MODIFIED", WatchEvent::Type::kModified},
      {"DELETED", WatchEvent::Type::kDeleted},
      {"BOOKMARK", WatchEvent::Type::kBookmark},
  };
  Json event = Json::parse(line, nullptr, false);
  const std::string type = TextAt(event, {"type"});
  const Json* object = Find(event, {"object"});
  if (object == nullptr || !object->is_object()) {
    return absl::InternalError(base::StrCat(what, ": a line that is no event"));
  }
  if (type == "ERROR") return ErrorOfStatusObject(*object, what);
  for (const auto& [name, value] : kTypes) {
    if (type == name) return WatchEvent{value, std::move(event["object"])};
  }
  return absl::InternalError(base::StrCat(what, ": unknown event type \"", type, "\""));
}

}  // namespace levada::kube
