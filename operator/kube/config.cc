#include "operator/kube/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/strings.h"

namespace levada::kube {
namespace {

std::string Variable(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(base::StrCat(path, " cannot be read"));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// The files to read: a given one must be there, of a list those that are.
absl::StatusOr<std::vector<KubeconfigFile>> ReadKubeconfigs(const std::vector<std::string>& paths,
                                                            bool must_exist) {
  std::vector<KubeconfigFile> files;
  for (const std::string& path : paths) {
    if (!must_exist && !Exists(path)) continue;
    auto text = ReadFile(path);
    if (!text.ok()) return text.status();
    files.push_back({path, *std::move(text)});
  }
  return files;
}

std::vector<std::string> ListedFiles(const Environment& environment) {
  const std::string list = Variable(environment, "KUBECONFIG");
  if (list.empty()) {
    const std::string home = Variable(environment, "HOME");
    if (home.empty()) return {};
    return {home + "/.kube/config"};
  }
  std::vector<std::string> paths = absl::StrSplit(list, ':', absl::SkipEmpty());
  return paths;
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const char* name) -> const char* { return std::getenv(name); };
}

absl::StatusOr<Config> LoadConfig(const ConfigOptions& options) {
  const bool given = !options.kubeconfig.empty();
  const std::vector<std::string> paths =
      given ? std::vector{options.kubeconfig} : ListedFiles(options.environment);
  auto files = ReadKubeconfigs(paths, given);
  if (!files.ok()) return files.status();
  if (!files->empty()) return ParseKubeconfigs(*files, options.context);
  auto pod = LoadInCluster(options.environment);
  if (pod.ok() || pod.status().code() != absl::StatusCode::kNotFound) return pod;
  std::string places;
  for (const std::string& path : paths) base::StrAppend(&places, path, ", ");
  return absl::NotFoundError(
      base::StrCat("no Kubernetes cluster is configured: looked for ", places,
                   "and for a pod's service account (KUBERNETES_SERVICE_HOST)"));
}

absl::StatusOr<Config> LoadInCluster(const Environment& environment, const std::string& folder) {
  const std::string host = Variable(environment, "KUBERNETES_SERVICE_HOST");
  const std::string port = Variable(environment, "KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return absl::NotFoundError(
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  Config config;
  const bool ipv6 = host.find(':') != std::string::npos;
  config.server = base::StrCat("https://", ipv6 ? "[" : "", host, ipv6 ? "]" : "", ":", port);
  config.ca_file = folder + "/ca.crt";
  config.token_file = folder + "/token";
  for (const std::string& path : {config.ca_file, config.token_file}) {
    if (!Exists(path)) {
      return absl::FailedPreconditionError(base::StrCat(
          path, " is missing: does the pod have automountServiceAccountToken: false?"));
    }
  }
  auto name_space = ReadFile(folder + "/namespace");
  if (name_space.ok()) {
    config.name_space = std::string(absl::StripAsciiWhitespace(*name_space));
  }
  if (config.name_space.empty()) config.name_space = "default";
  return config;
}

}  // namespace levada::kube
