#include "services/indexing/document.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "core/base/hash.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/utf8.h"
#include "core/json/splice.h"
#include "core/json/write.h"

namespace levada::indexing {
namespace {

using json::Kind;

std::string Text(const json::Value& value) {
  std::string text;
  if (value.escaped) {
    json::Unescape(value.raw, &text);
  } else {
    text = value.raw;
  }
  return text;
}

absl::StatusOr<int64_t> TimeOf(const json::Value& value) {
  if (value.kind == Kind::kNumber) return base::ParseEpoch(value.raw);
  if (value.kind == Kind::kString) return base::ParseTimestamp(Text(value));
  return absl::InvalidArgumentError("is neither text nor a number");
}

// Whether OpenSearch reads the value as the instant that it is: strict_date_optional_time with a
// zone, or milliseconds.
bool IsIndexTime(const json::Value& value) {
  const std::string_view raw = value.raw;
  if (value.kind == Kind::kNumber) {
    // 12 to 14 digits are milliseconds, by the same rule as ParseEpoch.
    return value.integral && raw[0] != '-' && raw.size() >= 12 && raw.size() <= 14;
  }
  if (raw.size() == 10) return raw[4] == '-' && raw[7] == '-';
  const bool has_zone =
      raw.ends_with('Z') || (raw.size() > 22 && raw[raw.size() - 3] == ':' &&
                             (raw[raw.size() - 6] == '+' || raw[raw.size() - 6] == '-'));
  constexpr size_t kShortest = std::string_view("2024-03-01T12:34Z").size();
  constexpr size_t kLongest = std::string_view("2024-03-01T12:34:56.123456789+01:00").size();
  return has_zone && raw.size() >= kShortest && raw.size() <= kLongest && raw[10] == 'T' &&
         raw.find(',') == std::string_view::npos;
}

void AppendDate(int64_t micros, v1::IndexBy by, std::string* out) {
  const base::CivilTime time = base::CivilFromMicros(micros);
  char text[32];
  const int size =
      by == v1::INDEX_BY_DAY
          ? snprintf(text, sizeof text, "-%04d.%02d.%02d", time.year, time.month, time.day)
          : snprintf(text, sizeof text, "-%04d.%02d", time.year, time.month);
  out->append(text, size);
}

}  // namespace

int64_t VersionOf(int64_t epoch, int64_t offset) { return epoch << kOffsetBits | offset; }

DocumentWriter::DocumentWriter(const v1::Topic& topic, const v1::Indexing& indexing)
    : topic_(topic),
      indexing_(indexing),
      key_is_id_(topic.compacted() ? indexing.id().empty() || indexing.id() == topic.key()
                                   : !indexing.id().empty() && indexing.id() == topic.key()) {
  if (!indexing.id().empty()) id_slot_ = fields_.Add(indexing.id());
  if (!indexing.version().empty()) version_slot_ = fields_.Add(indexing.version());
  if (!topic.timestamp().empty()) {
    time_slot_ = fields_.Add(topic.timestamp());
    timestamp_slots_.push_back(time_slot_);
  }
  for (const v1::Field& field : topic.fields()) {
    if (field.type() != v1::FIELD_TYPE_TIMESTAMP) continue;
    const int slot = fields_.Add(field.name());
    if (slot != time_slot_) timestamp_slots_.push_back(slot);
  }
  for (const int slot : timestamp_slots_) {
    std::string name;
    json::AppendString(fields_.name(slot), &name);
    timestamp_names_.push_back(name + ":");
  }
  slots_.resize(fields_.size());
}

bool DocumentWriter::Append(const Record& record, int64_t epoch, std::string* lines,
                            Document* document, std::string* error) {
  int64_t version = 0;
  if (!ScanEvent(record, error) || !FindId(record, error) ||
      !FindVersion(record, epoch, &version, error) || !FindIndex(record, error)) {
    return false;
  }
  const size_t begin = lines->size();
  document->is_delete = !record.has_value;
  document->id_hash = base::HashBytes(id_, base::HashBytes(index_));
  lines->append(record.has_value ? R"({"index":{"_index":)" : R"({"delete":{"_index":)");
  json::AppendString(index_, lines);
  lines->append(R"(,"_id":)");
  json::AppendString(id_, lines);
  lines->append(R"(,"version":)");
  json::AppendInt(version, lines);
  lines->append(R"(,"version_type":"external"}})");
  lines->push_back('\n');
  document->action_bytes = lines->size() - begin;
  if (record.has_value) AppendEvent(record.value, lines);
  return true;
}

bool DocumentWriter::ScanEvent(const Record& record, std::string* error) {
  if (!record.has_value) return true;
  const json::ScanError scan = json::Scan(record.value, fields_, slots_, &info_);
  if (!scan.ok()) *error = scan.Message(fields_);
  return scan.ok();
}

bool DocumentWriter::FindId(const Record& record, std::string* error) {
  const bool by_key = !record.has_value || id_slot_ < 0;
  if (by_key && key_is_id_) {
    if (!record.has_key) {
      *error = "the record has no key, which is the document's id";
      return false;
    }
    id_ = record.key;
    if (!base::IsUtf8(id_)) {
      *error = "the record's key, which is the document's id, is not UTF-8";
      return false;
    }
  } else if (!record.has_value) {
    *error = "a record without value deletes nothing here: its key is not the document's id";
    return false;
  } else if (id_slot_ < 0) {
    id_ = base::StrCat(topic_.name(), "-", record.partition, "-", record.offset);
  } else {
    const json::Value& value = slots_[id_slot_];
    if (value.kind == Kind::kAbsent || value.kind == Kind::kNull) {
      *error = base::StrCat("the event has no field `", indexing_.id(), "`, its document's id");
      return false;
    }
    if (value.kind != Kind::kString && value.kind != Kind::kNumber) {
      *error = base::StrCat("field `", indexing_.id(),
                            "` is neither text nor a number and cannot be a document's id");
      return false;
    }
    id_ = value.kind == Kind::kString ? Text(value) : std::string(value.raw);
  }
  if (!id_.empty() && id_.size() <= kMaxIdBytes) return true;
  *error = id_.empty() ? "the document's id is empty"
                       : base::StrCat("the document's id has ", id_.size(),
                                      " bytes; OpenSearch takes ", kMaxIdBytes);
  return false;
}

bool DocumentWriter::FindVersion(const Record& record, int64_t epoch, int64_t* version,
                                 std::string* error) {
  if (version_slot_ < 0) {
    *version = VersionOf(epoch, record.offset);
    return true;
  }
  if (!record.has_value) {
    *error = base::StrCat("a record without value has no field `", indexing_.version(),
                          "`: whether it is newer than the document cannot be told");
    return false;
  }
  const json::Value& value = slots_[version_slot_];
  const char* const end = value.raw.data() + value.raw.size();
  const auto read = std::from_chars(value.raw.data(), end, *version);
  if (value.kind == Kind::kNumber && read.ec == std::errc() && read.ptr == end && *version >= 0) {
    return true;
  }
  *error = base::StrCat("field `", indexing_.version(),
                        "`, the document's version, is not a whole number from 0 to 2^63-1");
  return false;
}

bool DocumentWriter::FindIndex(const Record& record, std::string* error) {
  index_ = indexing_.index();
  if (indexing_.by() != v1::INDEX_BY_DAY && indexing_.by() != v1::INDEX_BY_MONTH) return true;
  int64_t micros = base::MicrosOfMillis(record.timestamp_ms);
  const bool has_time = record.has_value && time_slot_ >= 0 &&
                        slots_[time_slot_].kind != Kind::kAbsent &&
                        slots_[time_slot_].kind != Kind::kNull;
  if (has_time) {
    const auto time = TimeOf(slots_[time_slot_]);
    if (!time.ok()) {
      *error =
          base::StrCat("field `", topic_.timestamp(), "`: ", base::View(time.status().message()));
      return false;
    }
    micros = *time;
  }
  AppendDate(std::clamp(micros, base::kMinMicros, base::kMaxMicros), indexing_.by(), &index_);
  return true;
}

void DocumentWriter::AppendEvent(std::string_view event, std::string* lines) {
  std::vector<json::FieldEdit> edits;
  std::vector<std::string> texts(timestamp_slots_.size());
  for (size_t i = 0; i < timestamp_slots_.size(); ++i) {
    const json::Value& value = slots_[timestamp_slots_[i]];
    if ((value.kind != Kind::kNumber && value.kind != Kind::kString) || IsIndexTime(value))
      continue;
    const auto time = TimeOf(value);
    if (!time.ok()) continue;  // the server says what is wrong with it
    json::AppendString(base::FormatTimestamp(*time), &texts[i]);
    edits.push_back({timestamp_slots_[i], timestamp_names_[i], texts[i]});
  }
  const size_t begin = lines->size();
  if (edits.empty()) {
    lines->append(event);
  } else {
    edited_.clear();
    json::Splice(event, info_, slots_, edits, {}, &edited_);
    lines->append(edited_);
  }
  // Within strings JSON has no line breaks: all that are here are white space.
  if (std::memchr(lines->data() + begin, '\n', lines->size() - begin) != nullptr ||
      std::memchr(lines->data() + begin, '\r', lines->size() - begin) != nullptr) {
    const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
    std::replace_if(lines->begin() + begin, lines->end(), is_break, ' ');
  }
  lines->push_back('\n');
}

}  // namespace levada::indexing
