#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Where the API server is and who we are.
//
//   auto config = LoadConfig({});                    // as kubectl finds it, else the pod's own
//   auto transport = Transport::Create(*config, {});
//
// Files (token, certificates) stay names: they are read again when they change (transport.h).
//
// Threads: pure functions, but for reading files and the environment.
namespace levada::kube {

struct Config {
  std::string server;      // "https://10.0.0.1:443"
  std::string name_space;  // of the context or the pod; "default" if there is none
  std::string context;     // empty in a pod

  // PEM, by file or as text; none: the system's authorities.
  std::string ca_file;
  std::string ca_pem;
  std::string tls_server_name;  // checked in place of the server's host
  bool insecure_skip_tls_verify = false;

  std::string certificate_file;
  std::string certificate_pem;
  std::string key_file;
  std::string key_pem;

  std::string token;
  std::string token_file;  // wins over token

  std::string impersonate_user;
  std::vector<std::string> impersonate_groups;
};

// Reads an environment variable; nullptr if it is not set.
using Environment = std::function<const char*(const char*)>;
Environment ProcessEnvironment();

struct ConfigOptions {
  std::string kubeconfig;  // one file; empty: the files of $KUBECONFIG, else ~/.kube/config
  std::string context;     // empty: current-context
  Environment environment = ProcessEnvironment();
};

// The given kubeconfig, else those of $KUBECONFIG, else ~/.kube/config where that exists, else the
// pod's service account. kNotFound says where it looked.
absl::StatusOr<Config> LoadConfig(const ConfigOptions& options);

// The service account of the pod that this process runs in.
absl::StatusOr<Config> LoadInCluster(
    const Environment& environment = ProcessEnvironment(),
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// Files of kubectl's form, merged as kubectl does it: of each cluster, user and context the first
// file that names it counts, whole; the first current-context counts; files that do not exist are
// left out; names of files are relative to the file that they stand in.
//
// kInvalidArgument with file, line and column for what cannot be read. Credentials that a program
// gives (exec, auth-provider) are not supported and refused with the user's name.
struct KubeconfigFile {
  std::string path;
  std::string text;
};
absl::StatusOr<Config> ParseKubeconfigs(const std::vector<KubeconfigFile>& files,
                                        const std::string& context);

}  // namespace levada::kube
