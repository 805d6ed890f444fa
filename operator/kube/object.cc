#include "operator/kube/object.h"

#include "absl/strings/str_format.h"
#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::kube {
namespace {

std::string Text(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

std::string ObjectKey::ToText() const {
  return name_space.empty() ? name : base::StrCat(name_space, "/", name);
}

ObjectKey ObjectKey::FromText(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {"", std::string(text)};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

const Json* Find(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* at = &object;
  for (const std::string_view name : path) {
    if (!at->is_object()) return nullptr;
    const auto member = at->find(name);
    if (member == at->end()) return nullptr;
    at = &*member;
  }
  return at;
}

std::string TextAt(const Json& object, std::initializer_list<std::string_view> path) {
  return Text(Find(object, path));
}

int64_t IntAt(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* value = Find(object, path);
  return value != nullptr && value->is_number_integer() ? value->get<int64_t>() : 0;
}

ObjectKey KeyOf(const Json& object) { return {NamespaceOf(object), NameOf(object)}; }
std::string NameOf(const Json& object) { return TextAt(object, {"metadata", "name"}); }
std::string NamespaceOf(const Json& object) { return TextAt(object, {"metadata", "namespace"}); }
std::string UidOf(const Json& object) { return TextAt(object, {"metadata", "uid"}); }
std::string ResourceVersionOf(const Json& object) {
  return TextAt(object, {"metadata", "resourceVersion"});
}
int64_t GenerationOf(const Json& object) { return IntAt(object, {"metadata", "generation"}); }
std::string LabelOf(const Json& object, std::string_view name) {
  return TextAt(object, {"metadata", "labels", name});
}
std::string AnnotationOf(const Json& object, std::string_view name) {
  return TextAt(object, {"metadata", "annotations", name});
}
bool IsBeingDeleted(const Json& object) {
  return !TextAt(object, {"metadata", "deletionTimestamp"}).empty();
}

Json OwnerReference(const Json& owner, bool block) {
  return {{"apiVersion", TextAt(owner, {"apiVersion"})},
          {"kind", TextAt(owner, {"kind"})},
          {"name", NameOf(owner)},
          {"uid", UidOf(owner)},
          {"controller", true},
          {"blockOwnerDeletion", block}};
}

std::string ControllerUidOf(const Json& object) {
  const Json* owners = Find(object, {"metadata", "ownerReferences"});
  if (owners == nullptr || !owners->is_array()) return "";
  for (const Json& owner : *owners) {
    const Json* controller = Find(owner, {"controller"});
    if (controller != nullptr && *controller == true) return TextAt(owner, {"uid"});
  }
  return "";
}

std::vector<std::string> OwnerUidsOf(const Json& object) {
  std::vector<std::string> uids;
  const Json* owners = Find(object, {"metadata", "ownerReferences"});
  if (owners == nullptr || !owners->is_array()) return uids;
  for (const Json& owner : *owners) {
    std::string uid = TextAt(owner, {"uid"});
    if (!uid.empty()) uids.push_back(std::move(uid));
  }
  return uids;
}

bool HasFinalizer(const Json& object, std::string_view finalizer) {
  const Json* finalizers = Find(object, {"metadata", "finalizers"});
  if (finalizers == nullptr || !finalizers->is_array()) return false;
  for (const Json& one : *finalizers) {
    if (Text(&one) == finalizer) return true;
  }
  return false;
}

std::string ToTime(int64_t micros) {
  return ToMicroTime(micros).substr(0, 19) + "Z";  // "2024-03-01T12:34:56"
}

std::string ToMicroTime(int64_t micros) {
  const base::CivilTime time = base::CivilFromMicros(micros);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", time.year, time.month, time.day,
                         time.hour, time.minute, time.second, time.micros);
}

void StripManagedFields(Json* object) {
  if (!object->is_object()) return;
  const auto metadata = object->find("metadata");
  if (metadata != object->end() && metadata->is_object()) metadata->erase("managedFields");
}

}  // namespace levada::kube
