#include "cli/dlq/summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/encoding.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/utf8.h"

namespace levada::cli {
namespace {

using Json = nlohmann::json;

bool IsUtf8(std::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const int length = base::Utf8SequenceLength(p, end);
    if (length <= 0) return false;
    p += length;
  }
  return true;
}

// Text as it is; other bytes in Base64, under another name.
void Put(Json* object, const std::string& name, std::string_view bytes) {
  if (IsUtf8(bytes)) {
    (*object)[name] = bytes;
  } else {
    (*object)[name + "_base64"] = base::Base64Encode(bytes);
  }
}

std::string Time(int64_t ms) { return base::FormatTimestamp(ms * 1000); }

Json ToJson(const Letter& letter) {
  const Record& record = *letter.record;
  Json json = {{"partition", record.partition},
               {"offset", record.offset},
               {"time", Time(record.timestamp_ms)},
               {"stage", letter.stage}};
  Put(&json, "error", letter.error);
  Json& from = json["from"];
  from = {{"partition", letter.partition}, {"offset", letter.offset}};
  Put(&from, "topic", letter.topic);
  if (letter.timestamp_ms >= 0) from["time"] = Time(letter.timestamp_ms);
  if (letter.full_size >= 0) json["truncated_from"] = letter.full_size;
  if (record.has_key) Put(&json, "key", record.key);
  if (record.has_value) Put(&json, "value", record.value);
  for (const Header& header : letter.headers) {
    Put(&json["headers"], std::string(header.name), header.value);
  }
  return json;
}

}  // namespace

void Summary::Add(const Letter& letter) {
  const std::string reason = ReasonOf(letter.error);
  const std::string key = base::StrCat(letter.stage, "\n", letter.topic, "\n", reason);
  const auto [at, fresh] = numbers_.try_emplace(key, static_cast<uint32_t>(groups_.size()));
  const int64_t time = letter.record->timestamp_ms;
  if (fresh) {
    groups_.push_back({.stage = std::string(letter.stage),
                       .topic = std::string(letter.topic),
                       .reason = reason,
                       .oldest_ms = time,
                       .newest_ms = time});
  }
  Group& group = groups_[at->second];
  ++group.count;
  group.oldest_ms = std::min(group.oldest_ms, time);
  if (time >= group.newest_ms) {
    group.newest_ms = time;
    group.example = letter.error;
  }
  seen_.push_back({letter.record->partition, at->second, letter.record->offset});
}

void Summary::Count(const Replayed& replayed) {
  for (const Seen& seen : seen_) {
    if (!replayed.Contains(seen.partition, seen.offset)) continue;
    ++replayed_;
    ++groups_[seen.group].replayed;
  }
}

std::vector<Summary::Group> Summary::Groups() const {
  std::vector<Group> groups = groups_;
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.newest_ms > b.newest_ms; });
  return groups;
}

void Newest::Add(const Letter& letter) {
  const Record& record = *letter.record;
  const Key key{record.timestamp_ms, record.partition, record.offset};
  if (limit_ > 0 && letters_.size() == limit_ && key < letters_.begin()->first) return;
  letters_[key] = ToJson(letter).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (limit_ > 0 && letters_.size() > limit_) letters_.erase(letters_.begin());
}

std::vector<Json> Newest::Take(const Replayed& replayed) {
  std::vector<Json> letters;
  for (auto at = letters_.rbegin(); at != letters_.rend(); ++at) {
    letters.push_back(Json::parse(at->second));
    letters.back()["replayed"] = replayed.Contains(at->first.partition, at->first.offset);
  }
  letters_.clear();
  return letters;
}

}  // namespace levada::cli
