#include "services/ingest/results.h"

#include "core/base/strings.h"
#include "core/json/write.h"

namespace levada::ingest {

using Code = EventResult::Code;

Tally Count(const std::vector<EventResult>& results) {
  Tally tally;
  for (const EventResult& result : results) {
    if (result.code == Code::kAccepted) {
      ++tally.accepted;
    } else if (result.code == Code::kInvalid) {
      ++tally.invalid;
    } else {
      ++tally.unavailable;
    }
  }
  return tally;
}

std::string ToJson(const std::vector<EventResult>& results, const Tally& tally, bool errors_only) {
  std::string out;
  out.reserve(64 + (errors_only ? 0 : results.size() * 64));
  base::StrAppend(&out, "{\"accepted\":", tally.accepted,
                  ",\"rejected\":", tally.invalid + tally.unavailable, ",\"results\":[");
  bool first = true;
  for (size_t i = 0; i < results.size(); ++i) {
    const EventResult& result = results[i];
    if (errors_only && result.code == Code::kAccepted) continue;
    base::StrAppend(&out, first ? "" : ",", "{\"index\":", i, ",\"status\":\"");
    first = false;
    if (result.code == Code::kAccepted) {
      base::StrAppend(&out, "accepted\",\"partition\":", result.partition,
                      ",\"offset\":", result.offset, "}");
    } else {
      out += result.code == Code::kInvalid ? "invalid\",\"error\":" : "unavailable\",\"error\":";
      json::AppendString(result.error, &out);
      out += '}';
    }
  }
  out += "]}\n";
  return out;
}

PackedResults::PackedResults(const std::vector<EventResult>& results) {
  for (const EventResult& result : results) {
    const bool accepted = result.code == Code::kAccepted;
    const bool joins = !runs_.empty() && runs_.back().code == result.code &&
                       runs_.back().partition == result.partition &&
                       (!accepted || runs_.back().first + runs_.back().count == result.offset);
    if (joins) {
      ++runs_.back().count;
    } else {
      runs_.push_back({result.offset, result.partition, 1, result.code});
    }
    if (!accepted) errors_.push_back(result.error);
  }
  runs_.shrink_to_fit();
  errors_.shrink_to_fit();
}

std::vector<EventResult> PackedResults::Unpack() const {
  std::vector<EventResult> results;
  size_t error = 0;
  for (const Run& run : runs_) {
    for (uint32_t i = 0; i < run.count; ++i) {
      EventResult result{.code = run.code, .partition = run.partition, .offset = run.first};
      if (run.code == Code::kAccepted) {
        result.offset = run.first + i;
      } else {
        result.error = errors_[error++];
      }
      results.push_back(std::move(result));
    }
  }
  return results;
}

size_t PackedResults::bytes() const {
  size_t bytes = runs_.capacity() * sizeof(Run) + errors_.capacity() * sizeof(std::string);
  for (const std::string& error : errors_) bytes += error.size();
  return bytes;
}

}  // namespace levada::ingest
