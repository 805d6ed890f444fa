#include "operator/topics/access.h"

#include "absl/strings/escaping.h"
#include "core/base/strings.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"

namespace levada::topics {
namespace {

absl::StatusOr<std::string> SecretValue(kube::Client& client, const std::string& name_space,
                                        const std::string& name, const std::string& key) {
  const auto secret = client.Get(kube::kSecrets, {name_space, name});
  if (!secret.ok()) return secret.status();
  const std::string encoded = kube::TextAt(*secret, {"data", key});
  std::string value;
  if (encoded.empty() || !absl::Base64Unescape(encoded, &value)) {
    return absl::NotFoundError(base::StrCat("Secret ", name, " has no key ", key));
  }
  return value;
}

// The text of a file that `spec.files` names.
absl::StatusOr<std::string> FileText(kube::Client& client, const render::Settings& settings,
                                     const std::string& name_space, const v1::Pipeline& pipeline,
                                     const std::string& path) {
  for (const v1::MountedFile& file : pipeline.spec().files()) {
    if (file.path() != path) continue;
    // Before its copy for the workers is made.
    if (render::IsSharedKafkaCa(pipeline.metadata().name(), file)) return settings.kafka->ca;
    const std::string key = render::KeyOf(file);
    if (!file.secret().empty()) return SecretValue(client, name_space, file.secret(), key);
    if (file.config_map().empty()) break;
    const auto config_map = client.Get(kube::kConfigMaps, {name_space, file.config_map()});
    if (!config_map.ok()) return config_map.status();
    std::string text = kube::TextAt(*config_map, {"data", key});
    if (!text.empty()) return text;
  }
  return absl::NotFoundError(
      base::StrCat("file ", path, ": name its ConfigMap or Secret in spec.files"));
}

}  // namespace

absl::StatusOr<kafka::ClientConfig> ConfigOf(kube::Client& client, const render::Settings& settings,
                                             const std::string& name_space,
                                             const v1::Pipeline& pipeline) {
  return kafka::ConfigFor(
      pipeline, "",
      [&](const std::string& secret, const std::string& key) {
        return SecretValue(client, name_space, secret, key);
      },
      [&](const std::string& file) {
        return FileText(client, settings, name_space, pipeline, file);
      });
}

}  // namespace levada::topics
