#include "services/notify/kafka_sent_log.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/kafka/producer.h"

namespace levada::notify {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAskMs = 15'000;
constexpr std::chrono::seconds kReadLimit{60};
constexpr std::chrono::seconds kFlushLimit{15};
// Longer than Flush waits: a record that Kafka is slow to take is not written a second time.
constexpr std::chrono::seconds kDeliveryLimit{30};

struct Destroy {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy>;
using Partitions = Owned<rd_kafka_topic_partition_list_t>;
using Values = std::map<std::string, std::string, std::less<>>;

std::string_view View(const void* data, size_t size) {
  return {static_cast<const char*>(data), data == nullptr ? 0 : size};
}

// Reads a topic from its beginning to its present end, keeping the newest value of each key.
class Reader {
 public:
  static absl::StatusOr<Values> ReadAll(const kafka::ClientConfig& config,
                                        const std::string& topic) {
    Reader reader(topic);
    absl::Status status = reader.Open(config);
    if (status.ok()) status = reader.Assign();
    if (status.ok()) status = reader.Read();
    if (!status.ok()) return status;
    return std::move(reader.values_);
  }

 private:
  explicit Reader(const std::string& topic) : topic_(topic) {}

  absl::Status Open(const kafka::ClientConfig& config) {
    absl::StatusOr<rd_kafka_conf_t*> conf =
        kafka::MakeConf(config, {{"group.id", "unused: nothing is committed"},
                                 {"enable.auto.commit", "false"},
                                 {"enable.partition.eof", "true"},
                                 {"auto.offset.reset", "error"},
                                 {"fetch.wait.max.ms", "10"},
                                 {"queued.max.messages.kbytes", "16384"}});
    if (!conf.ok()) return conf.status();
    char reason[512];
    client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason));
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(absl::StrCat("Kafka consumer: ", reason));
    }
    rd_kafka_poll_set_consumer(client_.get());
    return absl::OkStatus();
  }

  absl::Status Assign() {
    rd_kafka_topic_t* handle = rd_kafka_topic_new(client_.get(), topic_.c_str(), nullptr);
    const rd_kafka_metadata_t* raw = nullptr;
    const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, handle, &raw, kAskMs);
    rd_kafka_topic_destroy(handle);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(error);
    const Owned<const rd_kafka_metadata_t> metadata(raw);
    const rd_kafka_metadata_topic_t& found = metadata->topics[0];
    if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return absl::UnavailableError(absl::StrCat("the topic ", topic_, " is not there yet"));
    }
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(found.err);
    const Partitions list(rd_kafka_topic_partition_list_new(found.partition_cnt));
    for (int i = 0; i < found.partition_cnt; ++i) {
      const int32_t partition = found.partitions[i].id;
      int64_t low = 0;
      int64_t high = 0;
      const rd_kafka_resp_err_t asked = rd_kafka_query_watermark_offsets(
          client_.get(), topic_.c_str(), partition, &low, &high, kAskMs);
      if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(asked);
      if (low >= high) continue;
      rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition)->offset = low;
      open_.insert(partition);
    }
    return Failed(rd_kafka_assign(client_.get(), list.get()));
  }

  // A partition is read to the end that it has when the reader gets there: later than asked for.
  absl::Status Read() {
    const auto deadline = Clock::now() + kReadLimit;
    while (!open_.empty()) {
      if (Clock::now() > deadline) {
        return absl::UnavailableError(absl::StrCat("reading ", topic_, " takes too long"));
      }
      const Owned<rd_kafka_message_t> message(rd_kafka_consumer_poll(client_.get(), 100));
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        open_.erase(message->partition);
      } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return Failed(message->err);
      } else if (message->payload == nullptr) {
        values_.erase(std::string(View(message->key, message->key_len)));
      } else {
        values_[std::string(View(message->key, message->key_len))] =
            View(message->payload, message->len);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Failed(rd_kafka_resp_err_t error) const {
    return kafka::ToStatus(error, absl::StrCat("reading ", topic_));
  }

  const std::string topic_;
  Owned<rd_kafka_t> client_;
  std::set<int32_t> open_;  // partitions that were not read to their end
  Values values_;
};

class KafkaSentLog : public SentLog {
 public:
  explicit KafkaSentLog(KafkaSentLogOptions options) : options_(std::move(options)) {}

  absl::Status Open() {
    auto producer = kafka::Producer::Create({.client = options_.client,
                                             .linger = std::chrono::milliseconds(0),
                                             .queue_kbytes = 16 << 10,
                                             .delivery_timeout = kDeliveryLimit},
                                            nullptr);
    if (!producer.ok()) return producer.status();
    producer_ = *std::move(producer);
    topic_ = producer_->AddTopic(options_.topic);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<SentEntry>> ReadAll() override {
    absl::StatusOr<Values> values = Reader::ReadAll(options_.client, options_.topic);
    if (!values.ok()) return values.status();
    std::vector<SentEntry> entries;
    for (const auto& [id, value] : *values) {
      absl::StatusOr<SentEntry> entry = DecodeSent(id, value);
      if (entry.ok()) {
        entries.push_back(*std::move(entry));
      } else {
        // Not ours: somebody else wrote into the topic. Nothing can be done for it.
        base::LogError("unreadable entry in the send log", {{"reason", entry.status().message()}});
      }
    }
    return entries;
  }

  void Write(const SentEntry& entry) override { Put(entry.notification.id, EncodeSent(entry)); }
  void Erase(std::string_view id) override { Put(std::string(id), std::nullopt); }

  absl::Status Flush() override {
    if (std::exchange(again_, false)) {
      for (const auto& [id, value] : unsure_) Produce(id, value);
    }
    const absl::Status status = producer_->Flush(kFlushLimit);
    if (status.ok() && !again_) {
      unsure_.clear();
      return status;
    }
    again_ = again_ || !absl::IsUnavailable(status);
    return absl::UnavailableError(absl::StrCat("writing ", options_.topic, ": ", status.message()));
  }

  absl::StatusOr<runtime::Offsets> Committed() override {
    if (admin_ == nullptr) {
      auto admin = kafka::Admin::Create(options_.client);
      if (!admin.ok()) return admin.status();
      admin_ = *std::move(admin);
    }
    const auto committed = admin_->Committed(options_.group, options_.input);
    if (!committed.ok()) return committed.status();
    runtime::Offsets offsets;
    for (size_t i = 0; i < committed->size(); ++i) {
      offsets[static_cast<int32_t>(i)] = (*committed)[i];
    }
    return offsets;
  }

 private:
  void Put(std::string id, std::optional<std::string> value) {
    Produce(id, value);
    unsure_[std::move(id)] = std::move(value);
  }

  void Produce(const std::string& id, const std::optional<std::string>& value) {
    const absl::Status status = producer_->Produce({.topic = topic_,
                                                    .key = id,
                                                    .has_key = true,
                                                    .value = value ? *value : std::string_view(),
                                                    .has_value = value.has_value()});
    again_ = again_ || !status.ok();
  }

  const KafkaSentLogOptions options_;
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<kafka::Admin> admin_;
  int topic_ = 0;
  // Written since the last Flush that was OK; nullopt: a tombstone.
  std::map<std::string, std::optional<std::string>> unsure_;
  bool again_ = false;  // some of it was lost
};

}  // namespace

absl::StatusOr<std::unique_ptr<SentLog>> MakeKafkaSentLog(KafkaSentLogOptions options) {
  auto log = std::make_unique<KafkaSentLog>(std::move(options));
  if (absl::Status status = log->Open(); !status.ok()) return status;
  return log;
}

}  // namespace levada::notify
