#include "services/indexing/bulk_response.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/strings.h"
#include "core/base/utf8.h"

namespace levada::indexing {
namespace {

using Json = nlohmann::json;

constexpr size_t kLongestReason = 500;

// Error types that are about the index or the cluster, not about the document.
constexpr std::string_view kRetriedTypes[] = {
    "cluster_block_exception",
    "es_rejected_execution_exception",
    "rejected_execution_exception",
    "index_closed_exception",
    "index_not_found_exception",
    "invalid_alias_name_exception",
    "no_shard_available_action_exception",
    "process_cluster_event_timeout_exception",
    "security_exception",
    "unavailable_shards_exception",
    "validation_exception",
};

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

std::string TextOf(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string OneLine(std::string text) {
  if (text.size() > kLongestReason) {
    size_t end = kLongestReason;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not in the middle of a character
    text.resize(end);
    text += "...";
  }
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

// {"type":..,"reason":..,"caused_by":{..}} as "type: reason (cause)".
std::string Describe(const Json& error) {
  if (error.is_string()) return OneLine(error.get<std::string>());
  std::string text = TextOf(Find(error, "type"));
  const std::string reason = TextOf(Find(error, "reason"));
  if (!reason.empty()) text += (text.empty() ? "" : ": ") + reason;
  if (const Json* cause = Find(error, "caused_by")) {
    const std::string why = TextOf(Find(*cause, "reason"));
    if (!why.empty()) text += " (" + why + ")";
  }
  return OneLine(std::move(text));
}

bool IsRetried(int64_t status, const std::string& type) {
  if (status == 429 || status == 408 || status >= 500) return true;
  return std::find(std::begin(kRetriedTypes), std::end(kRetriedTypes), type) !=
         std::end(kRetriedTypes);
}

absl::StatusOr<BulkItem> ReadItem(const Json& item) {
  if (!item.is_object() || item.size() != 1) {
    return absl::UnavailableError("an item of the bulk answer is not one action");
  }
  const Json& result = item.begin().value();
  const Json* status = Find(result, "status");
  if (status == nullptr || !status->is_number_integer()) {
    return absl::UnavailableError("an item of the bulk answer has no status");
  }
  const int64_t code = status->get<int64_t>();
  const Json* error = Find(result, "error");
  BulkItem read;
  if (code >= 200 && code < 300) return read;
  if (code == 404 && error == nullptr && item.begin().key() == "delete") return read;
  const std::string type = error == nullptr ? "" : TextOf(Find(*error, "type"));
  if (code == 409) {
    read.outcome = ItemOutcome::kStale;
    return read;
  }
  read.outcome = IsRetried(code, type) ? ItemOutcome::kRetry : ItemOutcome::kRefused;
  read.reason = error == nullptr ? base::StrCat("status ", code) : Describe(*error);
  return read;
}

}  // namespace

absl::StatusOr<std::vector<BulkItem>> ParseBulkResponse(std::string_view body, size_t items) {
  // The common case, told without a parse.
  if (body.starts_with(R"({"errors":false)") && body.ends_with('}')) {
    return std::vector<BulkItem>();
  }
  const Json answer = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const Json* errors = Find(answer, "errors");
  const Json* list = Find(answer, "items");
  if (errors == nullptr || !errors->is_boolean()) {
    return absl::UnavailableError(
        base::StrCat("the answer to a bulk request cannot be understood: ", ErrorReason(body)));
  }
  if (!errors->get<bool>()) return std::vector<BulkItem>();
  if (list == nullptr || !list->is_array() || list->size() != items) {
    return absl::UnavailableError(
        base::StrCat("the answer to a bulk request of ", items, " items is about ",
                     list != nullptr && list->is_array() ? list->size() : 0));
  }
  std::vector<BulkItem> read;
  read.reserve(items);
  for (const Json& item : *list) {
    auto one = ReadItem(item);
    if (!one.ok()) return one.status();
    read.push_back(*std::move(one));
  }
  return read;
}

std::string ErrorReason(std::string_view body) {
  const Json answer = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (const Json* error = Find(answer, "error")) return Describe(*error);
  std::string text(body.substr(0, kLongestReason));
  if (!base::IsUtf8(text)) text = "(not text)";
  return OneLine(std::move(text));
}

}  // namespace levada::indexing
