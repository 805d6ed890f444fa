#include "services/notify/sent_log.h"

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/json/scan.h"
#include "core/json/write.h"

namespace levada::notify {
namespace {

std::string_view StateName(SentState state) {
  switch (state) {
    case SentState::kAttempt:
      return "attempt";
    case SentState::kSent:
      return "sent";
    case SentState::kFailed:
      return "failed";
  }
  return "";
}

absl::Status Bad(std::string_view id, std::string_view what) {
  return absl::DataLossError(base::StrCat("the send log's entry ", id, " cannot be read: ", what));
}

bool ReadInt(const json::Value& value, int64_t* number) {
  return value.kind == json::Kind::kNumber && absl::SimpleAtoi(base::AbslView(value.raw), number);
}

std::string Text(const json::Value& value) {
  std::string text;
  if (value.kind == json::Kind::kString) json::Unescape(value.raw, &text);
  return text;
}

bool ReadCovered(std::string_view object, Covered* covered) {
  int64_t partition = 0;
  if (!ReadInt(json::FindMember(object, "partition"), &partition)) return false;
  if (!ReadInt(json::FindMember(object, "epoch"), &covered->epoch)) return false;
  covered->partition = static_cast<int32_t>(partition);
  const json::Value offsets = json::FindMember(object, "offsets");
  if (offsets.kind != json::Kind::kArray) return false;
  int64_t offset = 0;
  bool ok = true;
  json::ForEachElement(offsets.raw, [&](const json::Value& distance) {
    int64_t step = 0;
    ok = ReadInt(distance, &step);
    offset += step;
    covered->offsets.push_back(offset);
    return ok;
  });
  return ok && !covered->offsets.empty();
}

}  // namespace

std::string EncodeSent(const SentEntry& entry) {
  std::string out = base::StrCat("{\"state\":\"", StateName(entry.state), "\",\"covers\":[");
  for (size_t i = 0; i < entry.covers.size(); ++i) {
    const Covered& covered = entry.covers[i];
    base::StrAppend(&out, i == 0 ? "" : ",", "{\"partition\":", covered.partition,
                    ",\"epoch\":", covered.epoch, ",\"offsets\":[");
    int64_t last = 0;
    for (size_t j = 0; j < covered.offsets.size(); ++j) {
      base::StrAppend(&out, j == 0 ? "" : ",", covered.offsets[j] - last);
      last = covered.offsets[j];
    }
    out.append("]}");
  }
  out.append("]");
  if (entry.state == SentState::kFailed) {
    out.append(",\"error\":");
    json::AppendString(entry.error, &out);
  }
  if (entry.state == SentState::kAttempt) {
    out.append(",\"subject\":");
    json::AppendString(entry.notification.subject, &out);
    out.append(",\"body\":");
    json::AppendString(entry.notification.body, &out);
    base::StrAppend(&out, ",\"events\":[", entry.notification.events, "]");
  }
  out.append("}");
  return out;
}

absl::StatusOr<SentEntry> DecodeSent(std::string_view id, std::string_view value) {
  json::FieldSet fields;
  const int state = fields.Add("state");
  const int covers = fields.Add("covers");
  const int subject = fields.Add("subject");
  const int body = fields.Add("body");
  const int events = fields.Add("events");
  const int error = fields.Add("error");
  std::vector<json::Value> slots(fields.size());
  json::ScanInfo info;
  const json::ScanError scanned = json::Scan(value, fields, slots, &info);
  if (!scanned.ok()) return Bad(id, scanned.Message(fields));

  SentEntry entry;
  entry.notification.id = std::string(id);
  const std::string name = Text(slots[state]);
  if (name == "sent") {
    entry.state = SentState::kSent;
  } else if (name == "failed") {
    entry.state = SentState::kFailed;
  } else if (name != "attempt") {
    return Bad(id, "its state is none of attempt, sent, failed");
  }
  bool ok = slots[covers].kind == json::Kind::kArray;
  if (ok) {
    json::ForEachElement(slots[covers].raw, [&](const json::Value& element) {
      entry.covers.emplace_back();
      ok = element.kind == json::Kind::kObject && ReadCovered(element.raw, &entry.covers.back());
      return ok;
    });
  }
  if (!ok || entry.covers.empty()) return Bad(id, "covers is not a list of partitions and offsets");
  entry.notification.subject = Text(slots[subject]);
  entry.notification.body = Text(slots[body]);
  entry.error = Text(slots[error]);
  if (slots[events].kind == json::Kind::kArray) {
    entry.notification.events = slots[events].raw.substr(1, slots[events].raw.size() - 2);
  }
  return entry;
}

}  // namespace levada::notify
