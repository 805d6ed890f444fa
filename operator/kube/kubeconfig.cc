// Files of kubectl's form:
//
//   current-context: NAME
//   contexts: [{name, context: {cluster, user, namespace}}]
//   clusters: [{name, cluster: {server, certificate-authority[-data], tls-server-name,
//                               insecure-skip-tls-verify}}]
//   users:    [{name, user: {token, tokenFile, client-certificate[-data], client-key[-data],
//                            as, as-groups}}]
//
// What is not listed here and does not change how to log in is passed over, as kubectl does.
#include <array>
#include <filesystem>
#include <map>
#include <optional>

#include "core/base/encoding.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/pipeline/yaml.h"
#include "operator/kube/config.h"

namespace levada::kube {
namespace {

using pipeline::YamlEntry;
using pipeline::YamlNode;

constexpr size_t kMaxFileBytes = 16 << 20;

absl::Status WrongAt(const YamlNode& node, std::string_view message) {
  const auto& source = *node.span.source;
  const size_t line = static_cast<size_t>(
      std::upper_bound(source.lines.begin(), source.lines.end(), node.span.begin) -
      source.lines.begin());
  return absl::InvalidArgumentError(base::StrCat(source.file, ":", line, ": ", message));
}

const YamlNode* Member(const YamlNode& node, std::string_view name) {
  for (const YamlEntry& entry : node.entries) {
    if (entry.key.text == name) return &entry.value;
  }
  return nullptr;
}

bool IsNull(const YamlNode* node) {
  return node == nullptr || (node->kind == YamlNode::Kind::kScalar &&
                             pipeline::TypeOf(*node) == pipeline::ScalarType::kNull);
}

// The text of a member; absent and null are empty.
absl::StatusOr<std::string> Text(const YamlNode& node, std::string_view name) {
  const YamlNode* value = Member(node, name);
  if (IsNull(value)) return std::string();
  if (value->kind != YamlNode::Kind::kScalar) {
    return WrongAt(*value, base::StrCat("`", name, "` must be a text"));
  }
  return value->text;
}

// A named entry of one of the three lists.
struct Entry {
  const YamlNode* body;
  std::string folder;  // of its file
};
using Entries = std::map<std::string, Entry>;

class Merged {
 public:
  // The documents must live as long.
  absl::Status Add(const YamlNode& document, const std::string& folder) {
    if (document.kind != YamlNode::Kind::kMapping) {
      return WrongAt(document, "expected a kubeconfig, a map");
    }
    auto current = Text(document, "current-context");
    if (!current.ok()) return current.status();
    if (current_context_.empty()) current_context_ = *current;
    absl::Status status = AddAll(document, folder, "clusters", "cluster", &clusters_);
    if (status.ok()) status = AddAll(document, folder, "users", "user", &users_);
    if (status.ok()) status = AddAll(document, folder, "contexts", "context", &contexts_);
    return status;
  }

  absl::StatusOr<Config> Resolve(const std::string& wanted_context) const {
    Config config;
    config.context = wanted_context.empty() ? current_context_ : wanted_context;
    if (config.context.empty()) {
      return absl::InvalidArgumentError(
          "the kubeconfig has no current-context: kubectl config use-context NAME sets one");
    }
    auto context = Named(contexts_, "context", config.context);
    if (!context.ok()) return context.status();
    auto cluster_name = Text(*context->body, "cluster");
    auto user_name = Text(*context->body, "user");
    auto name_space = Text(*context->body, "namespace");
    for (const auto* text : {&cluster_name, &user_name, &name_space}) {
      if (!text->ok()) return text->status();
    }
    config.name_space = name_space->empty() ? "default" : *name_space;
    auto cluster = Named(clusters_, "cluster", *cluster_name);
    if (!cluster.ok()) return cluster.status();
    absl::Status status = ReadCluster(*cluster, &config);
    if (!status.ok()) return status;
    if (user_name->empty()) return config;  // anonymous
    auto user = Named(users_, "user", *user_name);
    if (!user.ok()) return user.status();
    status = ReadUser(*user, *user_name, &config);
    if (!status.ok()) return status;
    return config;
  }

 private:
  static absl::Status AddAll(const YamlNode& document, const std::string& folder,
                             std::string_view list_name, std::string_view body_name,
                             Entries* entries) {
    const YamlNode* list = Member(document, list_name);
    if (IsNull(list)) return absl::OkStatus();
    if (list->kind != YamlNode::Kind::kSequence) {
      return WrongAt(*list, base::StrCat("`", list_name, "` must be a list"));
    }
    for (const YamlNode& item : list->items) {
      auto name = Text(item, "name");
      if (!name.ok()) return name.status();
      const YamlNode* body = Member(item, body_name);
      if (name->empty() || body == nullptr) {
        return WrongAt(item, base::StrCat("an element of `", list_name, "` needs `name` and `",
                                          body_name, "`"));
      }
      entries->try_emplace(*name, Entry{body, folder});
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<Entry> Named(const Entries& entries, std::string_view what,
                                     const std::string& name) {
    const auto at = entries.find(name);
    if (at != entries.end()) return at->second;
    std::vector<std::string> names;
    for (const auto& [known, entry] : entries) names.push_back(known);
    return absl::InvalidArgumentError(base::StrCat("the kubeconfig has no ", what, " \"", name,
                                                   "\"", base::DidYouMean(name, names)));
  }

  // NAME-data (base64) as text, else NAME as a file.
  static absl::Status ReadPem(const Entry& entry, const std::string& name, std::string* file,
                              std::string* pem) {
    auto path = Text(*entry.body, name);
    if (!path.ok()) return path.status();
    auto data = Text(*entry.body, name + "-data");
    if (!data.ok()) return data.status();
    if (!data->empty()) {
      auto bytes = base::Base64Decode(*data);
      if (!bytes.ok()) {
        return WrongAt(*Member(*entry.body, name + "-data"),
                       base::StrCat("`", name, "-data` is not base64"));
      }
      *pem = *bytes;
    } else if (!path->empty()) {
      *file = InFolder(entry.folder, *path);
    }
    return absl::OkStatus();
  }

  static std::string InFolder(const std::string& folder, const std::string& path) {
    return (std::filesystem::path(folder) / path).lexically_normal().string();
  }

  static absl::Status ReadCluster(const Entry& cluster, Config* config) {
    auto server = Text(*cluster.body, "server");
    auto tls_name = Text(*cluster.body, "tls-server-name");
    auto skip = Text(*cluster.body, "insecure-skip-tls-verify");
    auto proxy = Text(*cluster.body, "proxy-url");
    for (const auto* text : {&server, &tls_name, &skip, &proxy}) {
      if (!text->ok()) return text->status();
    }
    if (server->empty()) return WrongAt(*cluster.body, "the cluster has no `server`");
    if (!proxy->empty()) {
      return WrongAt(*Member(*cluster.body, "proxy-url"), "`proxy-url` is not supported");
    }
    config->server = *server;
    config->tls_server_name = *tls_name;
    config->insecure_skip_tls_verify = *skip == "true";
    return ReadPem(cluster, "certificate-authority", &config->ca_file, &config->ca_pem);
  }

  static absl::Status ReadUser(const Entry& user, const std::string& name, Config* config) {
    for (const char* plugin : {"exec", "auth-provider"}) {
      const YamlNode* node = Member(*user.body, plugin);
      if (IsNull(node)) continue;
      return WrongAt(*node, base::StrCat("user \"", name, "\" logs in with `", plugin,
                                         "`, which is not supported: use a token, a client "
                                         "certificate or a service account"));
    }
    auto token = Text(*user.body, "token");
    auto token_file = Text(*user.body, "tokenFile");
    auto as = Text(*user.body, "as");
    for (const auto* text : {&token, &token_file, &as}) {
      if (!text->ok()) return text->status();
    }
    config->token = *token;
    if (!token_file->empty()) config->token_file = InFolder(user.folder, *token_file);
    config->impersonate_user = *as;
    const YamlNode* groups = Member(*user.body, "as-groups");
    if (groups != nullptr) {
      for (const YamlNode& group : groups->items) config->impersonate_groups.push_back(group.text);
    }
    absl::Status status =
        ReadPem(user, "client-certificate", &config->certificate_file, &config->certificate_pem);
    if (!status.ok()) return status;
    status = ReadPem(user, "client-key", &config->key_file, &config->key_pem);
    if (!status.ok()) return status;
    const bool certificate = !config->certificate_file.empty() || !config->certificate_pem.empty();
    const bool key = !config->key_file.empty() || !config->key_pem.empty();
    if (certificate != key) {
      return WrongAt(*user.body, base::StrCat("user \"", name,
                                              "\" needs both client-certificate "
                                              "and client-key, or neither"));
    }
    return absl::OkStatus();
  }

  std::string current_context_;
  Entries clusters_;
  Entries users_;
  Entries contexts_;
};

}  // namespace

absl::StatusOr<Config> ParseKubeconfigs(const std::vector<KubeconfigFile>& files,
                                        const std::string& context) {
  std::vector<std::vector<YamlNode>> documents;  // alive until everything is resolved
  Merged merged;
  for (const KubeconfigFile& file : files) {
    if (file.text.size() > kMaxFileBytes) {
      return absl::InvalidArgumentError(base::StrCat(file.path, " is too large for a kubeconfig"));
    }
    pipeline::Problems problems;
    documents.push_back(pipeline::ParseYaml(
        std::make_shared<const pipeline::SourceText>(file.path, file.text), &problems));
    if (problems.HasErrors()) {
      const pipeline::Problem& first = problems.all().front();
      return absl::InvalidArgumentError(
          base::StrCat(first.file, ":", first.line, ":", first.column, ": ", first.message));
    }
    const std::string folder = std::filesystem::path(file.path).parent_path().string();
    for (const YamlNode& document : documents.back()) {
      const absl::Status status = merged.Add(document, folder);
      if (!status.ok()) return status;
    }
  }
  return merged.Resolve(context);
}

}  // namespace levada::kube
