#include "services/scoring/steps/window_results.h"

#include "core/base/strings.h"
#include "core/expr/time.h"
#include "core/json/scan.h"
#include "core/json/write.h"
#include "core/pipeline/schema.h"

namespace levada::scoring {
namespace {

// What JSON that a value of the type is written as is to be read as.
expr::FieldType ReadsAs(expr::Type type) {
  switch (type.kind) {
    case expr::Kind::kBool:
      return expr::FieldType::kBoolean;
    case expr::Kind::kInt:
      return expr::FieldType::kLong;
    case expr::Kind::kDouble:
      return expr::FieldType::kDouble;
    case expr::Kind::kString:
      return expr::FieldType::kString;
    case expr::Kind::kBytes:
      return expr::FieldType::kBinary;
    case expr::Kind::kTimestamp:
      return expr::FieldType::kTimestamp;
    default:
      return expr::FieldType::kDyn;
  }
}

expr::Value Time(int64_t micros) {
  return expr::Value::OfTimestamp(expr::TimestampFromMicros(micros));
}

}  // namespace

absl::StatusOr<KeyFields> KeyFields::Make(
    expr::Env* env, const google::protobuf::RepeatedPtrField<std::string>& names) {
  KeyFields keys;
  for (const std::string& name : names) {
    std::string source = "event[";
    json::AppendString(name, &source);
    source.push_back(']');
    auto value = expr::Compile(source, env);
    if (!value.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("window by ", name, ": ", base::View(value.status().message())));
    }
    const expr::Type type = value->type();
    keys.fields_.push_back({name, *std::move(value), type, ReadsAs(type)});
  }
  return keys;
}

std::string KeyFields::signature() const {
  std::string signature;
  for (const Field& field : fields_) base::StrAppend(&signature, field.name, "\n");
  return signature;
}

bool KeyFields::Write(expr::Activation& activation, std::string_view* key) {
  text_.assign(1, '[');
  for (const Field& field : fields_) {
    if (text_.size() > 1) text_.push_back(',');
    expr::Value value = field.value.Eval(activation);
    const int scanned = field.value.copied_field();
    if (!value.ok() && scanned >= 0 && activation.RawField(scanned).kind == json::Kind::kAbsent) {
      value = expr::Value::Null();
    }
    if (!value.ok() || !expr::AppendJson(value, &text_)) {
      text_ = base::StrCat(field.name, ": ",
                           value.ok() ? "the value is too large for a key" : value.text());
      *key = text_;
      return false;
    }
  }
  text_.push_back(']');
  *key = text_;
  return true;
}

void KeyFields::Read(std::string_view key, base::Arena* arena,
                     std::span<expr::Value> values) const {
  size_t i = 0;
  json::ForEachElement(key, [&](const json::Value& element) {
    values[i] = expr::FromJson(element, fields_[i].reads_as, arena);
    ++i;
    return i < fields_.size();
  });
}

std::string_view KeyFields::RecordKey(std::string_view key, std::span<const expr::Value> values,
                                      base::Arena* arena) const {
  if (values.size() != 1) return key;
  std::string text;
  expr::AppendText(values[0], &text);
  return arena->Copy(text);
}

WindowResults::WindowResults(const v1::Window& config, const KeyFields* keys,
                             const aggregate::AggregateSet* set, Segment* next)
    : keys_(keys), next_(next), values_(set->size()), key_values_(keys->size()) {
  expr::Env& env = next->env();
  // The fields of the key have the first slots.
  for (size_t i = 0; i < keys->size(); ++i) env.DeclareSlot(keys->name(i), keys->type(i));
  first_aggregate_ = env.slot_count();
  for (int i = 0; i < config.set_size(); ++i) {
    env.DeclareSlot(config.set(i).name(), set->type(static_cast<size_t>(i)));
  }
  start_slot_ = env.DeclareSlot(config.start_as(), pipeline::WindowTimeType());
  end_slot_ = env.DeclareSlot(config.end_as(), pipeline::WindowTimeType());
  if (config.metrics_size() == 0) return;
  for (const v1::Metric& metric : config.metrics()) {
    metrics_.emplace_back(metric.name(), metric.unit());
  }
  metric_slot_ = env.DeclareSlot("metric", {expr::Kind::kString});
  value_slot_ = env.DeclareSlot("value", expr::Type::Dyn());
  unit_slot_ = env.DeclareSlot("unit", expr::Type::Dyn());
}

void WindowResults::Emit(Partition* partition, int32_t source, std::string_view key,
                         int64_t start_us, int64_t end_us, int64_t time_us) {
  // The result is written later than the state, and the key in it, is forgotten.
  key = arena()->Copy(key);
  keys_->Read(key, arena(), key_values_);
  Row row;
  row.partition = partition;
  row.source = source;
  row.time_us = time_us;
  row.has_key = !key_values_.empty();
  if (row.has_key) row.key = keys_->RecordKey(key, key_values_, arena());
  // There is no event that a sum beyond its type could be an error of.
  for (expr::Value& value : values_) {
    if (!value.ok()) value = expr::Value::Null();
  }
  if (metrics_.empty()) {
    const std::span<expr::Value> slots = Make(row, start_us, end_us);
    std::copy(values_.begin(), values_.end(), slots.begin() + first_aggregate_);
  }
  for (size_t i = 0; i < metrics_.size(); ++i) {
    const std::span<expr::Value> slots = Make(row, start_us, end_us);
    const auto& [name, unit] = metrics_[i];
    slots[metric_slot_] = expr::Value::String(name);
    slots[value_slot_] = values_[i];
    slots[unit_slot_] = unit.empty() ? expr::Value::Null() : expr::Value::String(unit);
  }
  next_->DrainIfMany();
}

std::span<expr::Value> WindowResults::Make(const Row& row, int64_t start_us, int64_t end_us) {
  const std::span<expr::Value> slots = next_->Make(row);
  std::copy(key_values_.begin(), key_values_.end(), slots.begin());
  slots[start_slot_] = Time(start_us);
  slots[end_slot_] = Time(end_us);
  return slots;
}

}  // namespace levada::scoring
