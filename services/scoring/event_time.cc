#include "services/scoring/event_time.h"

#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::scoring {
namespace {

constexpr int64_t kMaxAheadMicros = base::kMicrosPerDay;

// Where a topic sets no bound Kafka takes any number from a producer: micro- or nanoseconds, too.
bool HasYear(const Record& record) {
  return record.timestamp_ms >= base::kMinMicros / 1000 &&
         record.timestamp_ms <= base::kMaxMicros / 1000;
}

}  // namespace

EventTime::EventTime(const v1::Topic* from, expr::Env* env) {
  if (from == nullptr || from->timestamp().empty()) return;
  field_ = from->timestamp();
  slot_ = env->mutable_fields()->Add(field_);
}

bool EventTime::Read(const Record& record, std::span<const json::Value> slots, int64_t* micros,
                     std::string* error) {
  if (slot_ < 0) {
    if (!HasYear(record)) {
      *error = base::StrCat("time of the record, ", record.timestamp_ms,
                            " ms: years go from 0001 to 9999");
      return false;
    }
    *micros = record.timestamp_ms * 1000;
    return true;
  }
  const json::Value& value = slots[slot_];
  absl::StatusOr<int64_t> time = int64_t{0};
  if (value.kind == json::Kind::kString && !value.escaped) {
    time = base::ParseTimestamp(value.raw);
  } else if (value.kind == json::Kind::kString) {
    text_.clear();
    json::Unescape(value.raw, &text_);
    time = base::ParseTimestamp(text_);
  } else if (value.kind == json::Kind::kNumber) {
    time = base::ParseEpoch(value.raw);
  } else {
    time = absl::InvalidArgumentError("there is none");
  }
  if (!time.ok()) {
    *error = base::StrCat("time of the event, field ", field_, ": ", time.status().message());
    return false;
  }
  *micros = *time;
  if (record.timestamp_ms > 0 && HasYear(record) &&
      *micros - record.timestamp_ms * 1000 > kMaxAheadMicros) {
    *error = base::StrCat("time of the event, field ", field_, ": ", base::FormatTimestamp(*micros),
                          " is more than a day after its arrival, ",
                          base::FormatTimestamp(record.timestamp_ms * 1000));
    return false;
  }
  return true;
}

}  // namespace levada::scoring
