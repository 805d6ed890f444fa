#include "core/kafka/client.h"

#include <librdkafka/rdkafka.h>

#include <memory>

#include "core/base/log.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"

namespace levada::kafka {
namespace {

void LogLine(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  const std::initializer_list<base::LogField> fields = {
      {"client", rd_kafka_name(client)}, {"facility", facility}, {"text", text}};
  // A broker that is not there is told once a second for every connection; the worker's own
  // state says it better.
  static base::LogLimiter limiter{std::chrono::seconds(5)};
  base::LogEvery(limiter, level <= 3 ? base::LogLevel::kWarn : base::LogLevel::kDebug,
                 "kafka client", fields);
}

std::string Mechanism(v1::SaslMechanism sasl) {
  switch (sasl) {
    case v1::SASL_MECHANISM_SCRAM_SHA_256:
      return "SCRAM-SHA-256";
    case v1::SASL_MECHANISM_SCRAM_SHA_512:
      return "SCRAM-SHA-512";
    default:
      return "PLAIN";
  }
}

const v1::KafkaConnection* KafkaOf(const v1::Pipeline& pipeline) {
  const auto& connections = pipeline.spec().connections();
  const auto found = connections.find("kafka");
  return found == connections.end() || !found->second.has_kafka() ? nullptr
                                                                  : &found->second.kafka();
}

bool UsesTls(const v1::KafkaConnection& kafka) {
  return kafka.has_tls() && (!kafka.tls().has_enabled() || kafka.tls().enabled());
}

// Empty: the system's certificates are trusted, or there is no TLS.
std::string CaFile(const v1::Pipeline& pipeline) {
  const v1::KafkaConnection* kafka = KafkaOf(pipeline);
  return kafka != nullptr && UsesTls(*kafka) ? kafka->tls().ca_file() : "";
}

absl::Status Set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char reason[256];
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) !=
      RD_KAFKA_CONF_OK) {
    // Values may be passwords: the reason names only the property.
    return absl::InvalidArgumentError(base::StrCat("Kafka setting '", name, "' was refused"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClientConfig> ConfigFor(const v1::Pipeline& pipeline,
                                       std::string_view fallback_brokers,
                                       const base::Secrets& secrets, std::string_view files_dir) {
  absl::StatusOr<ClientConfig> config = ConfigFor(
      pipeline, fallback_brokers,
      [&](const std::string& name, const std::string& key) { return secrets.Get(name, key); },
      nullptr);
  const std::string file = CaFile(pipeline);
  if (config.ok() && !file.empty()) {
    config->properties["ssl.ca.location"] =
        file.front() == '/' ? file : base::StrCat(files_dir, "/", file);
  }
  return config;
}

absl::StatusOr<ClientConfig> ConfigFor(const v1::Pipeline& pipeline,
                                       std::string_view fallback_brokers, const SecretValue& secret,
                                       const FileText& ca_file) {
  ClientConfig config;
  const v1::KafkaConnection* connection = KafkaOf(pipeline);
  if (connection == nullptr) {
    if (!fallback_brokers.empty()) config.brokers = std::string(fallback_brokers);
    return config;
  }
  const v1::KafkaConnection& kafka = *connection;
  config.brokers = kafka.brokers();
  const bool tls = UsesTls(kafka);
  const bool sasl = !kafka.secret_ref().empty();
  if (tls || sasl) {
    config.properties["security.protocol"] = tls ? (sasl ? "sasl_ssl" : "ssl") : "sasl_plaintext";
  }
  if (const std::string file = CaFile(pipeline); !file.empty() && ca_file) {
    absl::StatusOr<std::string> text = ca_file(file);
    if (!text.ok()) return text.status();
    config.properties["ssl.ca.pem"] = *std::move(text);
  }
  if (sasl && !tls && Mechanism(kafka.sasl()) == "PLAIN") {
    return absl::InvalidArgumentError(
        "connection `kafka`: SASL PLAIN would send the password in clear: add `tls: {}`, or take "
        "another `sasl`");
  }
  if (sasl) {
    absl::StatusOr<std::string> user = secret(kafka.secret_ref(), "username");
    if (!user.ok()) return user.status();
    absl::StatusOr<std::string> password = secret(kafka.secret_ref(), "password");
    if (!password.ok()) return password.status();
    config.properties["sasl.mechanisms"] = Mechanism(kafka.sasl());
    config.properties["sasl.username"] = *user;
    config.properties["sasl.password"] = *password;
  }
  return config;
}

absl::StatusOr<rd_kafka_conf_t*> MakeConf(const ClientConfig& config,
                                          const std::map<std::string, std::string>& more) {
  std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)> conf(rd_kafka_conf_new(),
                                                                    rd_kafka_conf_destroy);
  const std::map<std::string, std::string> common = {
      {"bootstrap.servers", config.brokers},
      {"socket.keepalive.enable", "true"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "3000"},
      {"topic.metadata.refresh.interval.ms", "30000"},
  };
  for (const auto* settings : {&common, &config.properties, &more}) {
    for (const auto& [name, value] : *settings) {
      if (absl::Status status = Set(conf.get(), name, value); !status.ok()) return status;
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), LogLine);
  return conf.release();
}

absl::StatusOr<int> CountPartitions(rd_kafka_t* client, const std::string& topic,
                                    std::chrono::milliseconds timeout) {
  rd_kafka_topic_t* const handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  auto error = rd_kafka_metadata(client, 0, handle, &metadata, static_cast<int>(timeout.count()));
  rd_kafka_topic_destroy(handle);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, base::StrCat("reading ", topic));
  error = metadata->topics[0].err;
  const int count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, base::StrCat("reading ", topic));
  return count;
}

absl::Status ToStatus(int code, std::string_view what) {
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();  // once a record: no text made
  const std::string text = base::StrCat(what, ": ", rd_kafka_err2str(error));
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return absl::NotFoundError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return absl::AlreadyExistsError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      return absl::PermissionDeniedError(text);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return absl::InvalidArgumentError(text);
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
      return absl::AbortedError(text);
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return absl::ResourceExhaustedError(text);
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace levada::kafka
