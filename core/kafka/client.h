#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// How Kafka is reached, and what all clients of it share.
namespace levada::base {
class Secrets;
}

typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_s rd_kafka_t;

namespace levada::kafka {

// A partition of the one topic that a consumer reads, and the next offset to read there.
struct PartitionOffset {
  int32_t partition = 0;
  int64_t offset = -1;
  std::string metadata;  // kept beside a committed offset
  int64_t begin = 0;     // the first offset that there still is, when it was assigned
  int64_t end = 0;       // the partition's end then
};

struct ClientConfig {
  std::string brokers = "127.0.0.1:9092";
  // More properties in librdkafka's names (security.protocol, sasl.*, ssl.*). Holds passwords:
  // never logged.
  std::map<std::string, std::string> properties;
};

// The cluster of the pipeline: its connection named `kafka`, else `fallback_brokers`. Secrets are
// resolved here. `files_dir`: where a CA file of the manifest is.
absl::StatusOr<ClientConfig> ConfigFor(const v1::Pipeline& pipeline,
                                       std::string_view fallback_brokers,
                                       const base::Secrets& secrets, std::string_view files_dir);

// The same with the values of secrets and the text of CA files (PEM) from elsewhere.
using SecretValue =
    std::function<absl::StatusOr<std::string>(const std::string& secret, const std::string& key)>;
using FileText = std::function<absl::StatusOr<std::string>(const std::string& file)>;
absl::StatusOr<ClientConfig> ConfigFor(const v1::Pipeline& pipeline,
                                       std::string_view fallback_brokers, const SecretValue& secret,
                                       const FileText& ca_file);

// A librdkafka configuration with `config` and the settings that every client has (logging into
// our log). The caller owns it.
absl::StatusOr<rd_kafka_conf_t*> MakeConf(const ClientConfig& config,
                                          const std::map<std::string, std::string>& more);

// Asks the cluster. kNotFound: no such topic (yet).
absl::StatusOr<int> CountPartitions(rd_kafka_t* client, const std::string& topic,
                                    std::chrono::milliseconds timeout);

// "broker:port: reason" texts are kept; codes: transient errors are kUnavailable, unknown topics
// kNotFound, refused ones kPermissionDenied, a lost place in the group kAborted, the rest
// kInternal.
absl::Status ToStatus(int rd_kafka_resp_err, std::string_view what);

}  // namespace levada::kafka
