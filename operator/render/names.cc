#include "operator/render/names.h"

#include <openssl/evp.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/base/strings.h"

namespace levada::render {
namespace {

constexpr size_t kMaxName = 63;  // of a DNS label
constexpr size_t kHashDigits = 8;

}  // namespace

std::string ShortHash(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 8));
}

std::string ObjectName(std::string_view pipeline, std::string_view stage) {
  const bool digit = !pipeline.empty() && absl::ascii_isdigit(pipeline.front());
  std::string name = base::StrCat(digit ? "p" : "", pipeline, "-", stage);
  if (name.size() <= kMaxName) return name;
  // A slash is in no name, so that no other pair has this hash.
  const std::string hash = ShortHash(base::StrCat(pipeline, "/", stage)).substr(0, kHashDigits);
  name.resize(kMaxName - kHashDigits - 1);
  while (name.ends_with('-')) name.pop_back();
  return base::StrCat(name, "-", hash);
}

std::string SharedName(std::string_view pipeline) { return ObjectName(pipeline, "levada"); }

std::string SharedKafkaCaName(std::string_view pipeline, std::string_view ca) {
  return base::StrCat(ObjectName(pipeline, "kafka-ca"), "-", ShortHash(ca));
}

bool IsSharedKafkaCa(std::string_view pipeline, const v1::MountedFile& file) {
  return file.path() == kSharedKafkaCa &&
         file.config_map().starts_with(ObjectName(pipeline, "kafka-ca") + "-");
}

kube::Json SelectorLabels(std::string_view pipeline, std::string_view stage) {
  kube::Json labels = {{std::string(kPipelineLabel), pipeline}};
  if (!stage.empty()) labels[std::string(kStageLabel)] = stage;
  return labels;
}

kube::Json Labels(std::string_view pipeline, std::string_view stage, std::string_view service) {
  kube::Json labels = SelectorLabels(pipeline, stage);
  labels["app.kubernetes.io/name"] = service;
  labels["app.kubernetes.io/instance"] = pipeline;
  labels["app.kubernetes.io/part-of"] = "levada";
  labels["app.kubernetes.io/managed-by"] = kManagedBy;
  if (!stage.empty()) labels["app.kubernetes.io/component"] = stage;
  return labels;
}

}  // namespace levada::render
