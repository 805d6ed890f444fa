#include "services/ingest/validator.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::ingest {
namespace {

using json::Kind;

std::string_view TypeName(v1::FieldType type) {
  switch (type) {
    case v1::FIELD_TYPE_BOOLEAN:
      return "true or false";
    case v1::FIELD_TYPE_INT:
      return "a whole number of 32 bits";
    case v1::FIELD_TYPE_LONG:
      return "a whole number of 64 bits";
    case v1::FIELD_TYPE_FLOAT:
      return "a number that fits a float";
    case v1::FIELD_TYPE_DOUBLE:
      return "a number that fits a double";
    case v1::FIELD_TYPE_DATE:
      return "a date such as \"2026-11-02\"";
    case v1::FIELD_TYPE_TIMESTAMP:
      return "a timestamp (RFC 3339, or a number since 1970)";
    case v1::FIELD_TYPE_STRING:
      return "a string";
    case v1::FIELD_TYPE_LIST:
      return "an array";
    case v1::FIELD_TYPE_STRUCT:
      return "an object";
    default:
      return "a value";
  }
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kFalse:
      return "false";
    case Kind::kTrue:
      return "true";
    case Kind::kNumber:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
    default:
      return "nothing";
  }
}

// What stands in the event, for an error: short scalars as they are.
std::string Shown(const json::Value& value) {
  if (value.raw.size() > 40 || value.kind == Kind::kArray || value.kind == Kind::kObject) {
    return std::string(KindName(value.kind));
  }
  if (value.kind == Kind::kString) return base::StrCat("\"", value.raw, "\"");
  return std::string(value.raw);
}

template <typename Integer>
bool FitsInteger(const json::Value& value) {
  if (value.kind != Kind::kNumber || !value.integral) return false;
  Integer number{};
  const char* const end = value.raw.data() + value.raw.size();
  const auto [stop, error] = std::from_chars(value.raw.data(), end, number);
  return error == std::errc() && stop == end;
}

template <typename Float>
bool FitsFloat(const json::Value& value) {
  if (value.kind != Kind::kNumber) return false;
  // Without an exponent it takes more digits than this to get out of range.
  constexpr size_t kShort = std::numeric_limits<Float>::max_exponent10;
  if (value.raw.size() <= kShort && value.raw.find_first_of("eE") == std::string_view::npos) {
    return true;
  }
  double number = 0;
  const auto result =
      std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), number);
  if (result.ec == std::errc::result_out_of_range) {
    // Too large, or too near to zero, which is no loss to speak of.
    return std::abs(std::strtod(std::string(value.raw).c_str(), nullptr)) < 1;
  }
  return result.ec == std::errc() && std::abs(number) <= std::numeric_limits<Float>::max();
}

// A string decoded; `buffer` is used where that takes memory.
std::string_view Text(const json::Value& value, std::string* buffer) {
  if (!value.escaped) return value.raw;
  buffer->clear();
  json::Unescape(value.raw, buffer);
  return *buffer;
}

absl::StatusOr<int64_t> TimestampOf(const json::Value& value) {
  if (value.kind == Kind::kNumber) return base::ParseEpoch(value.raw);
  if (value.kind != Kind::kString) return absl::InvalidArgumentError("not a timestamp");
  std::string buffer;
  return base::ParseTimestamp(Text(value, &buffer));
}

bool HasType(const json::Value& value, v1::FieldType type) {
  std::string buffer;
  switch (type) {
    case v1::FIELD_TYPE_BOOLEAN:
      return value.kind == Kind::kTrue || value.kind == Kind::kFalse;
    case v1::FIELD_TYPE_INT:
      return FitsInteger<int32_t>(value);
    case v1::FIELD_TYPE_LONG:
      return FitsInteger<int64_t>(value);
    case v1::FIELD_TYPE_FLOAT:
      return FitsFloat<float>(value);
    case v1::FIELD_TYPE_DOUBLE:
      return FitsFloat<double>(value);
    case v1::FIELD_TYPE_DATE:
      return value.kind == Kind::kString && base::ParseDate(Text(value, &buffer)).ok();
    case v1::FIELD_TYPE_TIMESTAMP:
      return TimestampOf(value).ok();
    case v1::FIELD_TYPE_STRING:
      return value.kind == Kind::kString;
    case v1::FIELD_TYPE_LIST:
      return value.kind == Kind::kArray;
    case v1::FIELD_TYPE_STRUCT:
      return value.kind == Kind::kObject;
    default:
      return true;
  }
}

bool IsMissing(const json::Value& value) {
  return value.kind == Kind::kAbsent || value.kind == Kind::kNull;
}

bool Missing(std::string_view what, std::string_view name, const json::Value& value,
             std::string* error) {
  *error =
      base::StrCat(what, " '", name, value.kind == Kind::kAbsent ? "' is missing" : "' is null");
  return false;
}

}  // namespace

Validator::Validator(const v1::Topic* topic, size_t max_event_bytes)
    : max_event_bytes_(max_event_bytes) {
  if (topic == nullptr) return;
  for (const v1::Field& field : topic->fields()) {
    rules_.push_back({fields_.Add(field.name()), field.type(), field.required()});
  }
  closed_ = topic->closed();
  if (!topic->key().empty()) key_slot_ = fields_.Add(topic->key());
  if (!topic->timestamp().empty()) timestamp_slot_ = fields_.Add(topic->timestamp());
}

bool Validator::Check(std::string_view bytes, Scratch* scratch, Event* event, Fault* fault) const {
  if (bytes.size() > max_event_bytes_) {
    fault->reason = Fault::Reason::kTooLarge;
    fault->text = base::StrCat("the event has ", bytes.size(), " bytes, more than the ",
                               max_event_bytes_, " that are allowed");
    return false;
  }
  json::ScanInfo info;
  const json::ScanError scan = json::Scan(bytes, fields_, scratch->slots_, &info);
  if (!scan.ok()) {
    fault->reason = Fault::Reason::kNotJson;
    fault->text = scan.Message(fields_);
    return false;
  }
  *event = Event{.bytes = bytes};
  fault->reason = Fault::Reason::kSchema;
  return CheckFields(*scratch, &fault->text) && (!closed_ || CheckClosed(bytes, &fault->text)) &&
         TakeKey(scratch, event, &fault->text) && CheckTimestamp(*scratch, &fault->text);
}

bool Validator::CheckFields(const Scratch& scratch, std::string* error) const {
  for (const Rule& rule : rules_) {
    const json::Value& value = scratch.slots_[rule.slot];
    if (IsMissing(value)) {
      if (rule.required)
        return Missing("the required field", fields_.name(rule.slot), value, error);
      continue;
    }
    if (HasType(value, rule.type)) continue;
    *error = base::StrCat("field '", fields_.name(rule.slot), "': expected ", TypeName(rule.type),
                          ", got ", Shown(value));
    return false;
  }
  return true;
}

bool Validator::CheckClosed(std::string_view bytes, std::string* error) const {
  bool known = true;
  std::string buffer;
  json::ForEachMember(bytes.substr(bytes.find('{')),
                      [&](std::string_view key, bool escaped, const json::Value&) {
                        const std::string_view name =
                            Text({.raw = key, .kind = Kind::kString, .escaped = escaped}, &buffer);
                        known = fields_.Find(name) >= 0;
                        if (!known) {
                          *error = base::StrCat("field '", name, "' is not one of the topic's");
                        }
                        return known;
                      });
  return known;
}

bool Validator::TakeKey(Scratch* scratch, Event* event, std::string* error) const {
  if (key_slot_ < 0) return true;
  const json::Value& value = scratch->slots_[key_slot_];
  if (IsMissing(value)) return Missing("the key field", fields_.name(key_slot_), value, error);
  if (value.kind != Kind::kString && value.kind != Kind::kNumber) {
    *error = base::StrCat("the key field '", fields_.name(key_slot_),
                          "': expected a string or a number, got ", Shown(value));
    return false;
  }
  event->has_key = true;
  event->key = value.raw;
  if (value.escaped) {
    char* const text = scratch->arena_.Array<char>(value.raw.size());
    event->key = {text, json::UnescapeInto(value.raw, text)};
  }
  return true;
}

bool Validator::CheckTimestamp(const Scratch& scratch, std::string* error) const {
  if (timestamp_slot_ < 0) return true;
  const json::Value& value = scratch.slots_[timestamp_slot_];
  if (IsMissing(value)) return true;
  const absl::StatusOr<int64_t> micros = TimestampOf(value);
  const std::string& name = fields_.name(timestamp_slot_);
  if (!micros.ok()) {
    *error = base::StrCat("the time field '", name, "': ", base::View(micros.status().message()));
    return false;
  }
  return true;
}

}  // namespace levada::ingest
