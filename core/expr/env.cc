#include "core/expr/env.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/base/suggest.h"

namespace levada::expr {

void Env::DeclareField(std::string_view name, FieldType type) {
  declared_[base::AbslView(name)] = type;
}

int Env::DeclareSlot(std::string_view name, Type type) {
  const int slot = slot_count();
  slots_.emplace_back(name);
  Name& change = changes_[base::AbslView(name)];
  change = {.source = Name::Source::kSlot, .slot = slot, .type = type};
  return slot;
}

void Env::Remove(std::string_view name) {
  changes_[base::AbslView(name)] = {.source = Name::Source::kRemoved};
}

void Env::KeepOnly(std::span<const std::string> names) {
  const auto kept = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (auto& [name, change] : changes_) {
    if (!kept(name)) change = {.source = Name::Source::kRemoved};
  }
  std::vector<std::string> still;
  for (const std::string& name : names) {
    if (!keep_only_ || std::find(kept_.begin(), kept_.end(), name) != kept_.end()) {
      still.push_back(name);
    }
  }
  keep_only_ = true;
  kept_ = std::move(still);
}

Env::Name Env::Find(std::string_view name) const {
  if (const auto it = changes_.find(base::AbslView(name)); it != changes_.end()) return it->second;
  if (mode_ == Mode::kStrict) return {};
  if (keep_only_ && std::find(kept_.begin(), kept_.end(), name) == kept_.end()) {
    return {.source = Name::Source::kRemoved};
  }
  if (const auto it = declared_.find(base::AbslView(name)); it != declared_.end()) {
    return {.source = Name::Source::kField, .field_type = it->second, .type = TypeOf(it->second)};
  }
  if (closed_) return {};
  return {.source = Name::Source::kField};
}

std::string Env::Nearest(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const auto& [known, type] : declared_) {
    if (Find(known).source == Name::Source::kField) names.push_back(known);
  }
  for (const auto& [known, change] : changes_) {
    if (change.source == Name::Source::kSlot) names.push_back(known);
  }
  std::sort(names.begin(), names.end());
  return std::string(base::Nearest(name, std::span<const std::string_view>(names)));
}

Env::Overlay Env::overlay() const {
  Overlay overlay{.keep_only = keep_only_, .kept = kept_};
  for (const auto& [name, change] : changes_) {
    if (change.source == Name::Source::kSlot) {
      overlay.slots.emplace_back(name, change.slot);
    } else {
      overlay.removed.push_back(name);
    }
  }
  std::sort(overlay.slots.begin(), overlay.slots.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  return overlay;
}

}  // namespace levada::expr
