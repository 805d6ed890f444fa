#include "operator/kube/object_store.h"

#include <algorithm>
#include <mutex>

namespace levada::kube {
namespace {

// Texts are taken under the lock and become trees outside of it.
template <typename Texts>
std::vector<Json> Parse(const Texts& texts) {
  std::vector<Json> objects;
  objects.reserve(texts.size());
  for (const auto& text : texts) objects.push_back(Json::parse(Unpack(*text), nullptr, false));
  return objects;
}

}  // namespace

ObjectStore::Change ObjectStore::Put(const Json& object) {
  Entry entry{std::make_shared<const Packed>(
                  packer_.Pack(object.dump(-1, ' ', false, Json::error_handler_t::replace))),
              ResourceVersionOf(object),
              index_label_.empty() ? std::string() : LabelOf(object, index_label_)};
  Text before;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, added] = entries_.try_emplace(KeyOf(object));
    if (!added) {
      if (!entry.version.empty() && at->second.version == entry.version) return {};
      before = at->second.text;
      bytes_ -= before->bytes.size();
      RemoveFromIndex(*at);
    }
    bytes_ += entry.text->bytes.size();
    at->second = std::move(entry);
    AddToIndex(*at);
  }
  Change change{.changed = true, .before = {}};
  if (before) change.before = Json::parse(Unpack(*before), nullptr, false);
  return change;
}

std::optional<Json> ObjectStore::Erase(const ObjectKey& key) {
  Text before;
  {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(key);
    if (at == entries_.end()) return std::nullopt;
    before = at->second.text;
    bytes_ -= before->bytes.size();
    RemoveFromIndex(*at);
    entries_.erase(at);
  }
  return Json::parse(Unpack(*before), nullptr, false);
}

void ObjectStore::AddToIndex(const Entries::value_type& entry) {
  if (entry.second.label.empty()) return;
  by_label_[{entry.first.name_space, entry.second.label}].push_back(&entry);
}

void ObjectStore::RemoveFromIndex(const Entries::value_type& entry) {
  const auto at = by_label_.find({entry.first.name_space, entry.second.label});
  if (at == by_label_.end()) return;
  std::erase(at->second, &entry);
  if (at->second.empty()) by_label_.erase(at);
}

std::optional<Json> ObjectStore::Get(const ObjectKey& key) const {
  Text text;
  {
    const std::shared_lock lock(mutex_);
    const auto at = entries_.find(key);
    if (at == entries_.end()) return std::nullopt;
    text = at->second.text;
  }
  return Json::parse(Unpack(*text), nullptr, false);
}

bool ObjectStore::Contains(const ObjectKey& key) const {
  const std::shared_lock lock(mutex_);
  return entries_.contains(key);
}

std::vector<Json> ObjectStore::All() const {
  std::vector<Text> texts;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [key, entry] : entries_) texts.push_back(entry.text);
  }
  return Parse(texts);
}

std::vector<Json> ObjectStore::OfLabel(std::string_view name_space, std::string_view value) const {
  std::vector<Text> texts;
  {
    const std::shared_lock lock(mutex_);
    const auto at = by_label_.find({std::string(name_space), std::string(value)});
    if (at == by_label_.end()) return {};
    for (const auto* entry : at->second) texts.push_back(entry->second.text);
  }
  return Parse(texts);
}

std::vector<ObjectVersion> ObjectStore::VersionsOfLabel(std::string_view name_space,
                                                        std::string_view value) const {
  std::vector<ObjectVersion> versions;
  const std::shared_lock lock(mutex_);
  const auto at = by_label_.find({std::string(name_space), std::string(value)});
  if (at == by_label_.end()) return versions;
  for (const auto* entry : at->second) {
    versions.push_back({entry->first.name, entry->second.version});
  }
  return versions;
}

std::vector<ObjectKey> ObjectStore::Keys() const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectKey> keys;
  for (const auto& [key, entry] : entries_) keys.push_back(key);
  return keys;
}

size_t ObjectStore::size() const {
  const std::shared_lock lock(mutex_);
  return entries_.size();
}

size_t ObjectStore::bytes() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

}  // namespace levada::kube
