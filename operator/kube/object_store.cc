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

template <typename Index, typename Entry>
void Remove(Index* index, const std::string& value, const Entry* entry) {
  const auto at = index->find(value);
  if (at == index->end()) return;
  std::erase(at->second, entry);
  if (at->second.empty()) index->erase(at);
}

}  // namespace

ObjectStore::Change ObjectStore::Put(const Json& object) {
  Entry entry{std::make_shared<const Packed>(
                  packer_.Pack(object.dump(-1, ' ', false, Json::error_handler_t::replace))),
              ResourceVersionOf(object), OwnerUidsOf(object),
              index_label_.empty() ? std::string() : LabelOf(object, index_label_)};
  Text before;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, added] = entries_.try_emplace(KeyOf(object));
    if (!added) {
      if (!entry.version.empty() && at->second.version == entry.version) return {};
      before = at->second.text;
      bytes_ -= before->bytes.size();
      RemoveFromIndexes(*at);
    }
    bytes_ += entry.text->bytes.size();
    at->second = std::move(entry);
    AddToIndexes(*at);
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
    RemoveFromIndexes(*at);
    entries_.erase(at);
  }
  return Json::parse(Unpack(*before), nullptr, false);
}

void ObjectStore::AddToIndexes(const Entries::value_type& entry) {
  for (const std::string& uid : entry.second.owners) by_owner_[uid].push_back(&entry);
  if (!entry.second.label.empty()) by_label_[entry.second.label].push_back(&entry);
}

void ObjectStore::RemoveFromIndexes(const Entries::value_type& entry) {
  for (const std::string& uid : entry.second.owners) Remove(&by_owner_, uid, &entry);
  if (!entry.second.label.empty()) Remove(&by_label_, entry.second.label, &entry);
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

std::vector<Json> ObjectStore::InNamespace(std::string_view name_space) const {
  std::vector<Text> texts;
  {
    const std::shared_lock lock(mutex_);
    // Keys are in the order of their namespaces.
    for (auto at = entries_.lower_bound({std::string(name_space), ""});
         at != entries_.end() && at->first.name_space == name_space; ++at) {
      texts.push_back(at->second.text);
    }
  }
  return Parse(texts);
}

std::vector<Json> ObjectStore::Indexed(const Index& index, std::string_view value) const {
  std::vector<Text> texts;
  {
    const std::shared_lock lock(mutex_);
    const auto at = index.find(std::string(value));
    if (at == index.end()) return {};
    for (const auto* entry : at->second) texts.push_back(entry->second.text);
  }
  return Parse(texts);
}

std::vector<Json> ObjectStore::OfOwner(std::string_view uid) const {
  return Indexed(by_owner_, uid);
}

std::vector<Json> ObjectStore::OfLabel(std::string_view value) const {
  return Indexed(by_label_, value);
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
