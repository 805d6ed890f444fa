#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

// Kubernetes objects as JSON trees, and what one asks of them all the time.
//
//   const ObjectKey key = KeyOf(deployment);               // "shop/fraud-detect"
//   config_map["metadata"]["ownerReferences"] = {OwnerReference(pipeline)};
//   if (SetCondition(&status["conditions"], {.type = "Ready", .status = "True",
//                                            .reason = "AllStagesReady"}, now)) ...
//
// What is missing or of another type reads as empty or zero: an object that somebody else wrote
// never makes a controller fail here.
//
// Threads: pure functions.
namespace levada::kube {

using Json = nlohmann::json;

// Where an object is; an empty name_space for objects of the cluster.
struct ObjectKey {
  std::string name_space;
  std::string name;

  // "namespace/name", or "name" for objects of the cluster; FromText is its inverse.
  std::string ToText() const;
  static ObjectKey FromText(std::string_view text);

  auto operator<=>(const ObjectKey&) const = default;
};

// The text at a path of member names; empty where there is none.
//   TextAt(pod, {"status", "phase"})
std::string TextAt(const Json& object, std::initializer_list<std::string_view> path);
int64_t IntAt(const Json& object, std::initializer_list<std::string_view> path);
// The value at a path, or nullptr.
const Json* Find(const Json& object, std::initializer_list<std::string_view> path);

ObjectKey KeyOf(const Json& object);
std::string NameOf(const Json& object);
std::string NamespaceOf(const Json& object);
std::string UidOf(const Json& object);
std::string ResourceVersionOf(const Json& object);
int64_t GenerationOf(const Json& object);
std::string LabelOf(const Json& object, std::string_view name);
std::string AnnotationOf(const Json& object, std::string_view name);
bool IsBeingDeleted(const Json& object);

// A reference for metadata.ownerReferences: `owner` (with apiVersion, kind, name, uid) controls the
// object, and with `block` its deletion in the foreground waits for the object's.
Json OwnerReference(const Json& owner, bool block = true);
// The uid of the owner that controls the object; empty if none does.
std::string ControllerUidOf(const Json& object);
std::vector<std::string> OwnerUidsOf(const Json& object);

bool HasFinalizer(const Json& object, std::string_view finalizer);

// metav1.Time ("2024-03-01T12:34:56Z") and metav1.MicroTime (always six digits) of microseconds
// since 1970.
std::string ToTime(int64_t micros);
std::string ToMicroTime(int64_t micros);

// For a transform: what a controller never reads and what is often most of an object.
void StripManagedFields(Json* object);

}  // namespace levada::kube
