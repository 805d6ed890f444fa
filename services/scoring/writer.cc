#include "services/scoring/writer.h"

#include "core/expr/value.h"
#include "core/json/write.h"

namespace levada::scoring {

EventWriter::EventWriter(expr::Env* env) {
  const expr::Env::Overlay overlay = env->overlay();
  json::FieldSet& fields = *env->mutable_fields();
  for (const auto& [name, slot] : overlay.slots) {
    Field field;
    field.slot = slot;
    field.scanned = fields.Add(name);
    json::AppendString(name, &field.key);
    field.key.push_back(':');
    set_.push_back(std::move(field));
  }
  select_ = overlay.keep_only;
  for (const std::string& name : overlay.kept) keep_.push_back(fields.Add(name));
  if (!select_) {
    for (const std::string& name : overlay.removed) drop_.push_back(fields.Add(name));
  }
}

bool EventWriter::Write(std::string_view document, const json::ScanInfo& info,
                        std::span<const json::Value> raw, const expr::Activation& activation,
                        std::string* out) {
  values_.clear();
  ranges_.clear();
  edits_.clear();
  for (const Field& field : set_) {
    const size_t begin = values_.size();
    if (!expr::AppendJson(activation.Get(field.slot), &values_)) return false;
    ranges_.push_back({begin, values_.size() - begin});
  }
  // Only now: values_ may have moved while it grew.
  const std::string_view values = values_;
  for (size_t i = 0; i < set_.size(); ++i) {
    edits_.push_back(
        {set_[i].scanned, set_[i].key, values.substr(ranges_[i].begin, ranges_[i].size)});
  }
  if (select_) {
    json::Select(document, raw, keep_, edits_, out);
  } else {
    json::Splice(document, info, raw, edits_, drop_, out);
  }
  return true;
}

}  // namespace levada::scoring
