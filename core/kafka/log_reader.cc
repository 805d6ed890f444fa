#include "core/kafka/log_reader.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/base/strings.h"
#include "core/kafka/fetch_waker.h"
#include "core/kafka/messages.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;

// Longer than any broker lets a worker's transaction be.
constexpr std::chrono::seconds kOpenFor{90};
constexpr int64_t kQueueBytes = 4 << 20;

class LogReaderImpl : public LogReader {
 public:
  explicit LogReaderImpl(const std::string& topic) : topic_(topic) {}

  ~LogReaderImpl() override {
    if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
    if (client_ == nullptr) return;
    waker_.reset();
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
  }

  absl::Status Connect(const ClientConfig& config) {
    absl::StatusOr<rd_kafka_conf_t*> conf =
        MakeConf(config, {{"group.id", "levada-log"},
                          {"enable.auto.commit", "false"},
                          {"enable.auto.offset.store", "false"},
                          {"enable.partition.eof", "true"},
                          // A topic that was created again is to be seen: it is read anew.
                          {"auto.offset.reset", "error"},
                          {"isolation.level", "read_committed"},
                          {"queued.min.messages", base::StrCat(kMaxQueued)},
                          {"queued.max.messages.kbytes", base::StrCat(kQueueBytes >> 10)},
                          {"fetch.message.max.bytes", base::StrCat(kPartitionFetchBytes)},
                          {"fetch.max.bytes", base::StrCat(kQueueBytes)},
                          {"fetch.wait.max.ms", "50"}});
    if (!conf.ok()) return conf.status();
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason);
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(base::StrCat("Kafka consumer: ", reason));
    }
    rd_kafka_poll_set_consumer(client_);
    queue_ = rd_kafka_queue_get_consumer(client_);
    waker_.emplace(client_, kQueueBytes);
    return absl::OkStatus();
  }

  absl::StatusOr<int> CountPartitions(const std::string& topic,
                                      std::chrono::milliseconds timeout) override {
    return kafka::CountPartitions(client_, topic, timeout);
  }

  absl::Status Add(int32_t partition, int64_t offset) override {
    const auto [added, is_new] = partitions_.try_emplace(partition);
    if (!is_new) return absl::OkStatus();
    added->second.next = offset;
    return Change(partition, offset == 0 ? RD_KAFKA_OFFSET_BEGINNING : offset,
                  rd_kafka_incremental_assign);
  }

  absl::Status Remove(int32_t partition) override {
    if (partitions_.erase(partition) == 0) return absl::OkStatus();
    return Change(partition, RD_KAFKA_OFFSET_INVALID, rd_kafka_incremental_unassign);
  }

  absl::StatusOr<Batch> Poll(int max_records, std::chrono::milliseconds timeout) override {
    scratch_.resize(max_records);
    const ssize_t count = TakeMessages(queue_, static_cast<int>(timeout.count()), &scratch_);
    if (count < 0) return ToStatus(rd_kafka_last_error(), base::StrCat("reading ", topic_));
    absl::Status status;
    std::vector<rd_kafka_message_t*> kept;
    std::vector<Record> records;
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = scratch_[i];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && Take(*message)) {
        records.push_back(ToRecord(*message));
        kept.push_back(message);
        continue;
      }
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && status.ok()) status = OnEvent(*message);
      rd_kafka_message_destroy(message);
    }
    if (status.ok()) status = CheckOpenEnds();
    Batch batch(topic_, std::move(records), std::make_shared<Messages>(std::move(kept)));
    if (!status.ok()) return status;
    waker_->Taken(static_cast<int64_t>(batch.size()), static_cast<int64_t>(batch.bytes()),
                  static_cast<int64_t>(rd_kafka_queue_length(queue_)));
    return batch;
  }

  bool caught_up() const override {
    return std::all_of(partitions_.begin(), partitions_.end(),
                       [](const auto& entry) { return entry.second.reached; });
  }

  bool caught_up(int32_t partition) const override {
    const auto found = partitions_.find(partition);
    return found != partitions_.end() && found->second.reached;
  }

  int64_t next(int32_t partition) const override {
    const auto found = partitions_.find(partition);
    return found == partitions_.end() ? 0 : found->second.next;
  }

  absl::StatusOr<Range> Ask(int32_t partition, std::chrono::milliseconds timeout) override {
    Range range;
    const auto error =
        rd_kafka_query_watermark_offsets(client_, topic_.c_str(), partition, &range.begin,
                                         &range.end, static_cast<int>(timeout.count()));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return range;
    return ToStatus(error, base::StrCat("reading ", topic_));
  }

  int64_t Remaining() const override {
    int64_t remaining = 0;
    for (const auto& [partition, state] : partitions_) {
      int64_t low = 0;
      int64_t high = 0;
      rd_kafka_get_watermark_offsets(client_, topic_.c_str(), partition, &low, &high);
      remaining += std::max<int64_t>(0, high - std::max(state.next, low));
    }
    return remaining;
  }

 private:
  struct Partition {
    int64_t next = 0;     // offset that Poll returns next
    int64_t wanted = -1;  // the end to be reached, once it is known
    Clock::time_point since;
    bool reached = false;
  };

  template <typename Call>
  absl::Status Change(int32_t partition, int64_t offset, const Call& call) {
    rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic_.c_str(), partition)->offset = offset;
    rd_kafka_error_t* const error = call(client_, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error == nullptr) return absl::OkStatus();
    absl::Status status = absl::InternalError(
        base::StrCat("assigning ", topic_, "[", partition, "]: ", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    return status;
  }

  // Whether the message is of a partition that is read, and new.
  bool Take(const rd_kafka_message_t& message) {
    const auto found = partitions_.find(message.partition);
    if (found == partitions_.end() || message.offset < found->second.next) return false;
    found->second.next = message.offset + 1;
    if (found->second.wanted >= 0 && found->second.next >= found->second.wanted) {
      found->second.reached = true;
    }
    return true;
  }

  absl::Status OnEvent(const rd_kafka_message_t& message) {
    if (message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        return absl::DataLossError(
            base::StrCat(topic_, "[", message.partition, "] was created again: it is read anew"));
      }
      const bool away = message.err == RD_KAFKA_RESP_ERR__TRANSPORT ||
                        message.err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
      return away ? absl::OkStatus() : ToStatus(message.err, base::StrCat("reading ", topic_));
    }
    const auto found = partitions_.find(message.partition);
    if (found == partitions_.end()) return absl::OkStatus();
    Partition& state = found->second;
    if (state.wanted < 0) {
      // A reader of committed data comes to an end in front of open transactions.
      int64_t low = 0;
      int64_t high = 0;
      rd_kafka_get_watermark_offsets(client_, topic_.c_str(), message.partition, &low, &high);
      state.wanted = std::max(high, message.offset);
      state.since = Clock::now();
    }
    state.next = std::max(state.next, message.offset);
    if (message.offset >= state.wanted) state.reached = true;
    return absl::OkStatus();
  }

  absl::Status CheckOpenEnds() const {
    for (const auto& [partition, state] : partitions_) {
      if (state.reached || state.wanted < 0 || Clock::now() - state.since < kOpenFor) continue;
      return absl::UnavailableError(
          base::StrCat("a transaction on ", topic_, "[", partition,
                       "] stays open: what lies behind it cannot be read"));
    }
    return absl::OkStatus();
  }

  const std::string topic_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  std::optional<FetchWaker> waker_;
  std::map<int32_t, Partition> partitions_;
  std::vector<rd_kafka_message_t*> scratch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(const ClientConfig& config,
                                                           const std::string& topic) {
  auto reader = std::make_unique<LogReaderImpl>(topic);
  if (absl::Status status = reader->Connect(config); !status.ok()) return status;
  return reader;
}

}  // namespace levada::kafka
