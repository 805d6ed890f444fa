#include "operator/kube/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "operator/kube/testing/fake_clock.h"
#include "operator/kube/token_source.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kWhole[] = R"(
apiVersion: v1
kind: Config
current-context: dev
preferences: {colors: true}
contexts:
- {name: dev, context: {cluster: c1, user: token-user, namespace: shop}}
- {name: cert, context: {cluster: c2, user: cert-user}}
- {name: exec, context: {cluster: c1, user: exec-user}}
- {name: anonymous, context: {cluster: c1}}
- {name: lost, context: {cluster: gone}}
clusters:
- name: c1
  cluster: {server: https://one:6443, certificate-authority: pki/ca.crt, tls-server-name: api}
- name: c2
  cluster: {server: https://two:6443, certificate-authority-data: Q0E=, insecure-skip-tls-verify: true}
users:
- {name: token-user, user: {token: secret, as: alice, as-groups: [g1, g2]}}
- name: cert-user
  user: {client-certificate-data: Q0VSVA==, client-key: /abs/key.pem, tokenFile: token}
- name: exec-user
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}
)";

absl::StatusOr<Config> Parse(const std::string& text, const std::string& context = "") {
  return ParseKubeconfigs({{"/home/u/.kube/config", text}}, context);
}

std::string ErrorOf(const absl::StatusOr<Config>& config) {
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
  return std::string(config.status().message());
}

TEST(KubeconfigTest, TheCurrentContextWithATokenAndFilesBesideIt) {
  const auto config = Parse(kWhole);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->context, "dev");
  EXPECT_EQ(config->server, "https://one:6443");
  EXPECT_EQ(config->name_space, "shop");
  EXPECT_EQ(config->ca_file, "/home/u/.kube/pki/ca.crt");
  EXPECT_EQ(config->tls_server_name, "api");
  EXPECT_FALSE(config->insecure_skip_tls_verify);
  EXPECT_EQ(config->token, "secret");
  EXPECT_EQ(config->impersonate_user, "alice");
  EXPECT_THAT(config->impersonate_groups, ElementsAre("g1", "g2"));
}

TEST(KubeconfigTest, AnotherContextWithCertificatesAsText) {
  const auto config = Parse(kWhole, "cert");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name_space, "default");
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->certificate_pem, "CERT");
  EXPECT_EQ(config->key_file, "/abs/key.pem");
  EXPECT_EQ(config->token_file, "/home/u/.kube/token");
  EXPECT_TRUE(config->insecure_skip_tls_verify);
}

TEST(KubeconfigTest, AUserIsNotNeeded) {
  const auto config = Parse(kWhole, "anonymous");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->token, "");
}

TEST(KubeconfigTest, CredentialsFromAProgramAreRefusedByName) {
  const std::string error = ErrorOf(Parse(kWhole, "exec"));
  EXPECT_THAT(error, HasSubstr("config:23"));
  EXPECT_THAT(error, HasSubstr("\"exec-user\" logs in with `exec`, which is not supported"));
}

TEST(KubeconfigTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(ErrorOf(Parse(kWhole, "devv")),
              HasSubstr("no context \"devv\"; did you mean \"dev\""));
  EXPECT_THAT(ErrorOf(Parse(kWhole, "lost")), HasSubstr("no cluster \"gone\""));
  EXPECT_THAT(ErrorOf(Parse("{}")), HasSubstr("no current-context"));
  EXPECT_THAT(ErrorOf(Parse("contexts: 7")), HasSubstr("`contexts` must be a list"));
  EXPECT_THAT(ErrorOf(Parse("users: [{name: a}]")), HasSubstr("needs `name` and `user`"));
  EXPECT_THAT(ErrorOf(Parse("- a")), HasSubstr("expected a kubeconfig"));
  EXPECT_THAT(ErrorOf(Parse("a: [")), HasSubstr("config:1:"));
  EXPECT_THAT(ErrorOf(Parse(R"(
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: https://h}}]
users: [{name: u, user: {client-certificate: cert.pem}}]
)")),
              HasSubstr("needs both client-certificate and client-key"));
  EXPECT_THAT(ErrorOf(Parse(R"(
current-context: a
contexts: [{name: a, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: https://h, certificate-authority-data: "?"}}]
)")),
              HasSubstr("`certificate-authority-data` is not base64"));
}

TEST(KubeconfigTest, OfEachEntryTheFirstFileCountsWhole) {
  const std::string first = R"(
contexts: [{name: a, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: first}}]
)";
  const std::string second = R"(
current-context: a
contexts: [{name: a, context: {cluster: other, user: u, namespace: not-taken}}]
clusters: [{name: c, cluster: {server: https://h, certificate-authority: ca.crt}}]
users: [{name: u, user: {tokenFile: not-taken}}]
)";
  const auto config = ParseKubeconfigs({{"/one/config", first}, {"/two/config", second}}, "");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name_space, "default");
  EXPECT_EQ(config->token, "first");
  EXPECT_EQ(config->token_file, "");
  EXPECT_EQ(config->ca_file, "/two/ca.crt");
}

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ("kube-config-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  Environment Variables() {
    return [this](const char* name) -> const char* {
      const auto at = variables_.find(name);
      return at == variables_.end() ? nullptr : at->second.c_str();
    };
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> variables_;
};

TEST_F(FilesTest, TheListOfKubeconfigLeavesOutWhatIsNotThere) {
  variables_["KUBECONFIG"] = "/not/there:" + Write("config", kWhole) + "::";
  const auto config = LoadConfig({.environment = Variables()});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://one:6443");
}

TEST_F(FilesTest, AGivenFileMustBeThere) {
  EXPECT_EQ(LoadConfig({.kubeconfig = "/not/there", .environment = Variables()}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FilesTest, WithoutAnyTheErrorSaysWhereItLooked) {
  variables_["HOME"] = folder_.string();
  const absl::Status status = LoadConfig({.environment = Variables()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_.string() + "/.kube/config"));
}

TEST_F(FilesTest, APodHasItsServiceAccount) {
  Write("ca.crt", "x");
  Write("token", "t\n");
  Write("namespace", "shop\n");
  variables_["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  variables_["KUBERNETES_SERVICE_PORT"] = "443";
  const auto config = LoadInCluster(Variables(), folder_.string());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->name_space, "shop");
  EXPECT_EQ(config->token_file, (folder_ / "token").string());

  std::filesystem::remove(folder_ / "token");
  EXPECT_EQ(LoadInCluster(Variables(), folder_.string()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(FilesTest, ATokenIsReadAgainOnceAMinuteAndWhenRefused) {
  const std::string file = Write("token", "one\n");
  FakeClock clock;
  TokenSource token("ignored", file, &clock);
  EXPECT_EQ(token.Get(), "one");
  Write("token", "two");
  clock.Advance(59s);
  EXPECT_EQ(token.Get(), "one");
  clock.Advance(1s);
  EXPECT_EQ(token.Get(), "two");
  Write("token", "three");
  EXPECT_EQ(token.Renew(), "three");
  std::filesystem::remove(file);
  EXPECT_EQ(token.Renew(), "three");  // the last that was known
}

}  // namespace
}  // namespace levada::kube
