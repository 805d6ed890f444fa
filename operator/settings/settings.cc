#include "operator/settings/settings.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>

#include "core/base/strings.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/resource_json.h"
#include "core/pipeline/rules.h"

namespace levada::settings {
namespace {

using kube::Json;

constexpr std::array<std::string_view, 5> kKinds = {"ingest", "scoring", "indexing", "archiving",
                                                    "notify"};

// Certificates that OpenSSL reads, one behind the other, and nothing that it does not.
bool AreCertificates(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  size_t count = 0;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_free(certificate);
    ++count;
  }
  size_t begins = 0;
  for (size_t at = pem.find("-----BEGIN "); at != pem.npos; at = pem.find("-----BEGIN ", at + 1)) {
    ++begins;
  }
  return count > 0 && count == begins;
}

// What the schema cannot say.
absl::Status Check(const v1::OperatorSettings& settings, std::string_view file) {
  const auto fail = [&](std::string_view path, std::string_view message) {
    return absl::InvalidArgumentError(base::StrCat(file, ": ", path, ": ", message));
  };
  const v1::SharedKafka& kafka = settings.kafka();
  const bool plain = kafka.sasl() == v1::SASL_MECHANISM_PLAIN;
  if (!kafka.secret_ref().empty() && !kafka.has_tls() && plain) {
    return fail("kafka.sasl",
                "SASL PLAIN would send the password in clear: add `tls: {}`, or take another one");
  }
  if (settings.has_kafka() && kafka.secret_ref().empty() && !plain) {
    return fail("kafka.sasl", "SASL needs a user: there is no `secretRef`");
  }
  if (!kafka.tls().ca().empty() && !AreCertificates(kafka.tls().ca())) {
    return fail("kafka.tls.ca", "expected certificates in PEM");
  }
  for (const auto& [kind, image] : settings.workers().images()) {
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
      return fail("workers.images", base::StrCat("no stage is of the kind `", kind, "`"));
    }
  }
  return absl::OkStatus();
}

Json ToJson(const google::protobuf::Map<std::string, std::string>& map) {
  Json json = Json::object();
  for (const auto& [key, value] : map) json[key] = value;
  return json;
}

// As YAML names it; empty where it is not given.
std::string NameOf(const google::protobuf::EnumDescriptor& type, int number) {
  return number == 0 ? "" : pipeline::YamlName(*type.FindValueByNumber(number));
}

render::SharedKafka KafkaOf(const v1::SharedKafka& kafka) {
  render::SharedKafka shared;
  shared.connection.set_brokers(kafka.brokers());
  shared.connection.set_secret_ref(kafka.secret_ref());
  if (!kafka.secret_ref().empty()) shared.connection.set_sasl(kafka.sasl());
  if (kafka.has_tls()) shared.connection.mutable_tls();
  shared.ca = kafka.tls().ca();
  return shared;
}

}  // namespace

absl::StatusOr<v1::OperatorSettings> Read(std::string_view text, std::string_view file) {
  v1::OperatorSettings settings;
  absl::Status status = pipeline::LoadMessage(text, file, &settings);
  status.Update(Check(settings, file));
  if (!status.ok()) return status;
  return settings;
}

absl::StatusOr<v1::OperatorSettings> Load(const std::string& path) {
  if (path.empty()) {
    v1::OperatorSettings settings;
    pipeline::FillDefaults(&settings);
    return settings;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(base::StrCat("cannot read the settings ", path));
  return Read(std::string(std::istreambuf_iterator<char>(file), {}), path);
}

render::Settings ForRendering(const v1::OperatorSettings& settings) {
  render::Settings rendering;
  if (settings.has_kafka()) rendering.kafka = KafkaOf(settings.kafka());

  const v1::WorkerSettings& workers = settings.workers();
  for (const auto& [kind, image] : workers.images()) rendering.images[kind] = image;
  rendering.image_pull_policy =
      NameOf(*v1::ImagePullPolicy_descriptor(), workers.image_pull_policy());
  for (const v1::PullSecret& secret : workers.image_pull_secrets()) {
    rendering.image_pull_secrets.push_back({{"name", secret.name()}});
  }
  rendering.resources = workers.resources();
  rendering.test_resources = workers.test_resources();
  rendering.log_level = NameOf(*v1::LogLevel_descriptor(), workers.log_level());
  rendering.listen = workers.listen();
  rendering.user_id = static_cast<int64_t>(workers.user_id());

  rendering.network_policies = settings.network_policies().enabled();
  for (const auto& peer : settings.network_policies().metrics_from()) {
    rendering.metrics_from.push_back(Json::parse(pipeline::ToJson(peer)));
  }

  const v1::PrometheusSettings& prometheus = settings.prometheus();
  rendering.pod_monitors = prometheus.pod_monitors();
  rendering.alerts = prometheus.alerts();
  rendering.monitor_labels = ToJson(prometheus.labels());
  rendering.scrape_interval = prometheus.scrape_interval();

  const v1::GrafanaSettings& grafana = settings.grafana();
  rendering.dashboards = grafana.dashboards();
  if (grafana.labels_size() > 0) rendering.dashboard_labels = ToJson(grafana.labels());
  if (grafana.annotations_size() > 0) {
    rendering.dashboard_annotations = ToJson(grafana.annotations());
  }
  return rendering;
}

}  // namespace levada::settings
