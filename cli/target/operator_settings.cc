#include "cli/target/operator_settings.h"

#include <map>

#include "core/base/strings.h"
#include "operator/settings/settings.h"

namespace levada::cli {
namespace {

using kube::Json;

constexpr std::string_view kSelector = "app.kubernetes.io/name=levada-operator";

template <typename Each>
void ForEachAt(const Json& object, std::initializer_list<std::string_view> path, const Each& each) {
  const Json* list = kube::Find(object, path);
  if (list == nullptr || !list->is_array()) return;
  for (const Json& element : *list) each(element);
}

// "--settings=/a" and "--settings", "/a"; what is no flag is passed over.
std::map<std::string, std::string> FlagsOf(const Json& container) {
  std::map<std::string, std::string> flags;
  std::string open;
  ForEachAt(container, {"args"}, [&](const Json& argument) {
    const std::string text = argument.is_string() ? argument.get<std::string>() : "";
    if (!text.starts_with("--")) {
      if (!open.empty()) flags[open] = text;
      open.clear();
      return;
    }
    const size_t equals = text.find('=');
    open = equals == std::string::npos ? text.substr(2) : "";
    if (open.empty()) flags[text.substr(2, equals - 2)] = text.substr(equals + 1);
  });
  return flags;
}

const Json* ContainerOf(const Json& deployment) {
  const Json* containers = kube::Find(deployment, {"spec", "template", "spec", "containers"});
  return containers == nullptr || !containers->is_array() || containers->empty()
             ? nullptr
             : &containers->front();
}

// The text of a file that a ConfigMap is mounted as.
absl::StatusOr<std::string> MountedText(kube::Client& client, const Json& deployment,
                                        const Json& container, const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string volume;
  ForEachAt(container, {"volumeMounts"}, [&](const Json& mount) {
    if (kube::TextAt(mount, {"mountPath"}) == path.substr(0, slash)) {
      volume = kube::TextAt(mount, {"name"});
    }
  });
  std::string config_map;
  ForEachAt(deployment, {"spec", "template", "spec", "volumes"}, [&](const Json& one) {
    if (kube::TextAt(one, {"name"}) == volume) {
      config_map = kube::TextAt(one, {"configMap", "name"});
    }
  });
  if (config_map.empty()) {
    return absl::NotFoundError(base::StrCat(path, " is not mounted from a ConfigMap"));
  }
  const auto object = client.Get(kube::kConfigMaps, {kube::NamespaceOf(deployment), config_map});
  if (!object.ok()) return object.status();
  return kube::TextAt(*object, {"data", path.substr(slash + 1)});
}

absl::StatusOr<Installation> From(kube::Client& client, const Json& deployment) {
  const Json& container = *ContainerOf(deployment);
  std::map<std::string, std::string> flags = FlagsOf(container);
  Installation found{.known = true,
                     .source = base::StrCat("Deployment ", kube::KeyOf(deployment).ToText())};
  std::string text;
  if (const std::string& path = flags["settings"]; !path.empty()) {
    auto mounted = MountedText(client, deployment, container, path);
    if (!mounted.ok()) return mounted.status();
    text = *std::move(mounted);
  }
  const auto file = text.empty()
                        ? settings::Load("")
                        : settings::Read(text, base::StrCat(found.source, ", ", flags["settings"]));
  if (!file.ok()) return file.status();
  found.settings = settings::ForRendering(*file);
  std::string image = flags["image"];
  ForEachAt(container, {"env"}, [&](const Json& variable) {
    if (image.empty() && kube::TextAt(variable, {"name"}) == "LEVADA_IMAGE") {
      image = kube::TextAt(variable, {"value"});
    }
  });
  if (!image.empty()) found.settings.image = image;
  const std::string& name_space = flags["operator-namespace"];
  found.settings.operator_namespace =
      name_space.empty() ? kube::NamespaceOf(deployment) : name_space;
  return found;
}

}  // namespace

absl::StatusOr<Installation> OperatorSettings(kube::Client& client, const std::string& name_space) {
  const auto deployments =
      client.List(kube::kDeployments, {.label_selector = std::string(kSelector)});
  if (absl::IsPermissionDenied(deployments.status())) {
    return Installation{.source = "this user may not list Deployments of all namespaces"};
  }
  if (!deployments.ok()) return deployments.status();
  const Json* chosen = nullptr;
  for (const Json& deployment : *deployments) {
    const Json* container = ContainerOf(deployment);
    if (container == nullptr) continue;
    const std::string watched = FlagsOf(*container)["namespace"];
    // One for this namespace alone comes before one for all.
    if (watched == name_space || (watched.empty() && chosen == nullptr)) chosen = &deployment;
  }
  if (chosen == nullptr) {
    return Installation{.source = base::StrCat("no Deployment has the label ", kSelector)};
  }
  auto found = From(client, *chosen);
  if (!absl::IsPermissionDenied(found.status())) return found;
  return Installation{.source = std::string(found.status().message())};
}

}  // namespace levada::cli
