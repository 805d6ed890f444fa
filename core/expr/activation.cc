#include "core/expr/activation.h"

#include <algorithm>

#include "core/base/time.h"
#include "core/expr/containers.h"
#include "core/expr/meta.h"
#include "core/expr/support.h"
#include "core/expr/text.h"
#include "core/expr/time.h"

namespace levada::expr {

Activation::Activation(const Env& env, base::Arena* arena)
    : arena_(arena), fields_(env.fields().size()), slots_(env.slot_count()) {}

Activation::~Activation() = default;
Activation::Activation(Activation&&) noexcept = default;

void Activation::Begin(std::string_view document, std::span<const json::Value> fields, Meta meta) {
  document_ = document;
  raw_ = fields;
  meta_ = meta;
  std::fill(fields_.begin(), fields_.end(), Decoded());
  std::fill(slots_.begin(), slots_.end(), Value());
}

void Activation::Begin() { Begin({}, {}, {}); }

Value Activation::Decode(int slot, FieldType type) {
  if (static_cast<size_t>(slot) >= raw_.size()) return Value();
  Decoded& decoded = fields_[slot];
  decoded.value = FromJson(raw_[slot], type, arena_);
  decoded.type = type;
  return decoded.value;
}

Regexes& Activation::regexes() {
  if (regexes_ == nullptr) regexes_ = std::make_unique<Regexes>();
  return *regexes_;
}

// Keys and headers may be any bytes, a string is text.
Value Activation::TextOf(std::string_view bytes) {
  if (base::IsUtf8(bytes)) return Value::String(bytes);
  std::string text;
  AppendAsUtf8(bytes, &text);
  return Value::String(arena_->Copy(text));
}

Value Activation::MetaField(int which) {
  if (meta_.record == nullptr) return Value();
  const Record& record = *meta_.record;
  switch (static_cast<MetaName>(which)) {
    case MetaName::kKey:
      return record.has_key ? TextOf(record.key) : Value::Null();
    case MetaName::kTopic:
      return meta_.batch ? Value::String(meta_.batch->topic()) : Value();
    case MetaName::kPartition:
      return Value::Int(record.partition);
    case MetaName::kOffset:
      return Value::Int(record.offset);
    case MetaName::kTimestamp:
      return Value::OfTimestamp(TimestampFromMicros(base::MicrosOfMillis(record.timestamp_ms)));
    case MetaName::kHeaders: {
      std::vector<Header> headers;
      if (meta_.batch) meta_.batch->ReadHeaders(record, &headers);
      MapEntry* entries = arena_->Array<MapEntry>(headers.size());
      for (size_t i = 0; i < headers.size(); ++i) {
        entries[i] = {TextOf(headers[i].name), TextOf(headers[i].value)};
      }
      // Of headers with one name the last one counts.
      std::reverse(entries, entries + headers.size());
      return Value::Map(entries, headers.size());
    }
  }
  return Value();
}

}  // namespace levada::expr
