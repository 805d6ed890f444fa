#include "services/scoring/writer.h"

#include <algorithm>

#include "core/expr/value.h"
#include "core/json/write.h"

namespace levada::scoring {
namespace {

// The bytes of a value in its document, a string with its quotes.
std::string_view Whole(const json::Value& value) {
  if (value.kind != json::Kind::kString) return value.raw;
  return {value.raw.data() - 1, value.raw.size() + 2};
}

}  // namespace

EventWriter::EventWriter(const CopiedFields& copied, expr::Env* env) {
  const expr::Env::Overlay overlay = env->overlay();
  json::FieldSet& fields = *env->mutable_fields();
  for (const auto& [name, slot] : overlay.slots) {
    Field field;
    field.slot = slot;
    field.scanned = fields.Add(name);
    if (const auto found = copied.find(slot); found != copied.end()) field.copied = found->second;
    json::AppendString(name, &field.key);
    field.key.push_back(':');
    set_.push_back(std::move(field));
  }
  select_ = overlay.keep_only;
  const auto removed = [&overlay](const std::string& name) {
    return std::find(overlay.removed.begin(), overlay.removed.end(), name) != overlay.removed.end();
  };
  for (const std::string& name : overlay.kept) {
    if (!removed(name)) keep_.push_back(fields.Add(name));
  }
  if (!select_) {
    for (const std::string& name : overlay.removed) drop_.push_back(fields.Add(name));
  }
}

bool EventWriter::Write(std::string_view document, const json::ScanInfo& info,
                        std::span<const json::Value> raw, const expr::Activation& activation,
                        std::string* out) {
  if (OnlyAppends(raw)) return Append(document, info, raw, activation, out);
  values_.clear();
  ranges_.clear();
  edits_.clear();
  for (const Field& field : set_) {
    const size_t begin = values_.size();
    if (field.copied < 0 && !expr::AppendJson(activation.Get(field.slot), &values_)) return false;
    ranges_.push_back({begin, values_.size() - begin});
  }
  // Only now: values_ may have moved while it grew.
  const std::string_view values = values_;
  for (size_t i = 0; i < set_.size(); ++i) {
    const Field& field = set_[i];
    edits_.push_back({field.scanned, field.key,
                      field.copied >= 0 ? Whole(raw[field.copied])
                                        : values.substr(ranges_[i].begin, ranges_[i].size)});
  }
  if (select_) {
    json::Select(document, raw, keep_, edits_, out);
  } else {
    json::Splice(document, info, raw, edits_, drop_, out);
  }
  return true;
}

bool EventWriter::OnlyAppends(std::span<const json::Value> raw) const {
  const auto absent = [&](int slot) { return raw[slot].kind == json::Kind::kAbsent; };
  return !select_ && std::all_of(drop_.begin(), drop_.end(), absent) &&
         std::all_of(set_.begin(), set_.end(), [&](const Field& f) { return absent(f.scanned); });
}

bool EventWriter::Append(std::string_view document, const json::ScanInfo& info,
                         std::span<const json::Value> raw, const expr::Activation& activation,
                         std::string* out) const {
  out->append(document.substr(0, info.close));
  bool any = !info.empty;
  for (const Field& field : set_) {
    if (any) out->push_back(',');
    any = true;
    out->append(field.key);
    if (field.copied >= 0) {
      out->append(Whole(raw[field.copied]));
    } else if (!expr::AppendJson(activation.Get(field.slot), out)) {
      return false;
    }
  }
  out->append(document.substr(info.close));
  return true;
}

}  // namespace levada::scoring
