#include "operator/settings/settings.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"

namespace levada::settings {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// Its key is nowhere.
constexpr char kCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBcTCCARegAwIBAgIUTVAynUC/8Nzz3cZeDe2WCJPiKKgwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIzMTIyODM0WhgPMjEyNjEwMzAxMjI4MzRa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEILRp9aHF
0LxEgp98QEZU+zlkfK6ZUxQZ6Hzzq3bfbQvVPom1yaD6ZXEJ3SULXrm4QDS/aA3b
vVxKXWeFb2ycDKNTMFEwHQYDVR0OBBYEFNWojKFh1QceVLISUWdAwzk91WIgMB8G
A1UdIwQYMBaAFNWojKFh1QceVLISUWdAwzk91WIgMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIhANceicegSS3kuK+j+MVbeZwyghqxQ2w6Clo0XHZ5
cVU+AiBgsGFq2jG/vW703OFPlxCIc95T8iKMUw7pc+x8gpU47g==
-----END CERTIFICATE-----
)";

std::string ProblemsOf(std::string_view text) {
  return std::string(Read(text, "settings.yaml").status().message());
}

TEST(SettingsTest, WithoutAFileTheDefaultsHold) {
  const auto settings = Load("");
  ASSERT_TRUE(settings.ok());
  const render::Settings rendering = ForRendering(*settings);
  const render::Settings defaults;
  EXPECT_FALSE(rendering.kafka);
  EXPECT_FALSE(settings->has_webhook());
  EXPECT_EQ(rendering.listen, defaults.listen);
  EXPECT_EQ(rendering.user_id, defaults.user_id);
  EXPECT_EQ(rendering.log_level, defaults.log_level);
  EXPECT_EQ(rendering.dashboard_labels, defaults.dashboard_labels);
  EXPECT_EQ(rendering.dashboard_annotations, defaults.dashboard_annotations);
  EXPECT_TRUE(rendering.network_policies && rendering.pod_monitors && rendering.alerts &&
              rendering.dashboards);
}

TEST(SettingsTest, AllOfThemReachRendering) {
  const auto settings = Read(R"(
kafka: {brokers: "a:9093,b:9093", tls: {}, secretRef: levada-kafka, sasl: SCRAM-SHA-512}
workers:
  images: {scoring: "registry.example.com/scoring:1"}
  imagePullPolicy: IfNotPresent
  imagePullSecrets: [{name: registry}]
  resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 1Gi}}
  logLevel: warn
  listen: "::"
  userId: 0
networkPolicies:
  enabled: true
  metricsFrom:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    podSelector: {}
prometheus: {podMonitors: false, alerts: true, labels: {release: prometheus}, scrapeInterval: 30s}
grafana: {dashboards: true, labels: {dashboards: "yes"}, annotations: {folder: Streams}}
webhook:
  selfManaged: {secret: tls, configuration: levada, hosts: [levada.levada-system.svc]}
)",
                             "settings.yaml");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const render::Settings rendering = ForRendering(*settings);
  ASSERT_TRUE(rendering.kafka);
  EXPECT_EQ(rendering.kafka->connection.brokers(), "a:9093,b:9093");
  EXPECT_TRUE(rendering.kafka->connection.has_tls());
  EXPECT_EQ(rendering.kafka->connection.secret_ref(), "levada-kafka");
  EXPECT_EQ(rendering.kafka->connection.sasl(), v1::SASL_MECHANISM_SCRAM_SHA_512);
  EXPECT_THAT(rendering.images, ElementsAre(Pair("scoring", "registry.example.com/scoring:1")));
  EXPECT_EQ(rendering.image_pull_policy, "IfNotPresent");
  EXPECT_EQ(rendering.image_pull_secrets.dump(), R"([{"name":"registry"}])");
  EXPECT_EQ(rendering.resources.limits().at("memory"), "1Gi");
  EXPECT_EQ(rendering.log_level, "warn");
  EXPECT_EQ(rendering.listen, "::");
  EXPECT_EQ(rendering.user_id, 0);
  EXPECT_EQ(rendering.metrics_from.dump(),
            R"([{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}},)"
            R"("podSelector":{}}])");
  EXPECT_FALSE(rendering.pod_monitors);
  EXPECT_TRUE(rendering.alerts);
  EXPECT_EQ(rendering.monitor_labels.dump(), R"({"release":"prometheus"})");
  EXPECT_EQ(rendering.scrape_interval, "30s");
  EXPECT_EQ(rendering.dashboard_labels.dump(), R"({"dashboards":"yes"})");
  EXPECT_EQ(rendering.dashboard_annotations.dump(), R"({"folder":"Streams"})");
  EXPECT_EQ(settings->webhook().port(), 9443u);
  EXPECT_THAT(settings->webhook().self_managed().hosts(), ElementsAre("levada.levada-system.svc"));
}

TEST(SettingsTest, EveryMistakeIsToldWithItsPlace) {
  const std::string problems = ProblemsOf(R"(
kafka: {broker: "a:9092"}
workers: {logLevel: loud}
prometheus: {labels: {"no spaces": x}}
webhook: {selfManaged: {secret: s}, certificateFolder: /tls}
)");
  EXPECT_THAT(problems, HasSubstr("settings.yaml:2:9: kafka.broker: unknown key `broker`"));
  EXPECT_THAT(problems, HasSubstr("settings.yaml:3:21: workers.logLevel"));
  EXPECT_THAT(problems, HasSubstr("prometheus.labels"));
  EXPECT_THAT(problems, HasSubstr("expected exactly one of"));
  EXPECT_THAT(problems, HasSubstr("the key `hosts` is missing"));
}

TEST(SettingsTest, WhatTheSchemaCannotSayIsCheckedToo) {
  EXPECT_THAT(ProblemsOf("kafka: {brokers: \"a:1\", secretRef: x}"),
              AllOf(HasSubstr("kafka.sasl"), HasSubstr("in clear")));
  EXPECT_THAT(ProblemsOf("kafka: {brokers: \"a:1\", sasl: SCRAM-SHA-256}"),
              HasSubstr("no `secretRef`"));
  EXPECT_THAT(ProblemsOf("workers: {images: {sorting: \"a:1\"}}"), HasSubstr("`sorting`"));
  EXPECT_EQ(ProblemsOf("kafka: {brokers: \"a:1\", secretRef: x, sasl: SCRAM-SHA-256}"), "");
}

TEST(SettingsTest, AnAuthorityMustBeCertificates) {
  const auto with_ca = [](const std::string& ca) {
    return Read(base::StrCat(R"({"kafka": {"brokers": "a:1", "tls": {"ca": )",
                             kube::Json(ca).dump(), "}}}"),
                "settings.yaml");
  };
  const std::string both = base::StrCat(kCertificate, kCertificate);
  const auto settings = with_ca(both);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(ForRendering(*settings).kafka->ca, both);
  std::string damaged = both;
  damaged[damaged.size() / 4 * 3] = '!';
  for (const std::string& ca : {std::string("/etc/ca.pem"), damaged}) {
    EXPECT_THAT(std::string(with_ca(ca).status().message()),
                HasSubstr("kafka.tls.ca: expected certificates in PEM"));
  }
}

TEST(SettingsTest, AFileThatIsNotThereIsNamed) {
  EXPECT_TRUE(absl::IsNotFound(Load("/no/such/settings.yaml").status()));
}

TEST(SettingsTest, ASecondDocumentIsRefused) {
  EXPECT_THAT(ProblemsOf("workers: {}\n---\nworkers: {}\n"), HasSubstr("a second document"));
}

}  // namespace
}  // namespace levada::settings
