#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/object.h"
#include "operator/kube/packer.h"

// Objects by key, and by namespace and one label, each kept as its packed text: a tree takes a
// hundred times the memory, and objects are read far less often than they are kept.
//
//   ObjectStore store("levada.dev/pipeline");
//   const ObjectStore::Change change = store.Put(object);
//   for (const Json& object : store.OfLabel("shop", "fraud")) ...
//
// Threads: any.
namespace levada::kube {

struct ObjectVersion {
  std::string name;
  std::string resource_version;
};

class ObjectStore {
 public:
  explicit ObjectStore(std::string index_label) : index_label_(std::move(index_label)) {}

  struct Change {
    bool changed = false;  // false: it was there in this resourceVersion
    std::optional<Json> before;
  };
  Change Put(const Json& object);
  std::optional<Json> Erase(const ObjectKey& key);  // what it was

  std::optional<Json> Get(const ObjectKey& key) const;
  bool Contains(const ObjectKey& key) const;
  std::vector<Json> All() const;
  std::vector<Json> OfLabel(std::string_view name_space, std::string_view value) const;
  // The same objects without unpacking them, in the same order.
  std::vector<ObjectVersion> VersionsOfLabel(std::string_view name_space,
                                             std::string_view value) const;
  std::vector<ObjectKey> Keys() const;
  size_t size() const;
  size_t bytes() const;  // of the packed texts

 private:
  using Text = std::shared_ptr<const Packed>;
  struct Entry {
    Text text;
    std::string version;
    std::string label;
  };
  using Entries = std::map<ObjectKey, Entry>;
  // By namespace and label.
  using Index = std::map<ObjectKey, std::vector<const Entries::value_type*>>;

  void AddToIndex(const Entries::value_type& entry);
  void RemoveFromIndex(const Entries::value_type& entry);

  const std::string index_label_;
  Packer packer_;
  mutable std::shared_mutex mutex_;
  Entries entries_;
  Index by_label_;
  size_t bytes_ = 0;
};

}  // namespace levada::kube
