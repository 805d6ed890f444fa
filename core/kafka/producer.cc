#include "core/kafka/producer.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <atomic>
#include <thread>

#include "core/base/strings.h"

namespace levada::kafka {
namespace {

// For the calls that end a transaction. The broker has ended it by itself after
// transaction_timeout, so waiting much longer brings nothing; librdkafka may then go on trying
// forever.
constexpr int kEndTimeoutMs = 12'000;
// Aborting is a courtesy: the next producer of this transactional id does it too.
constexpr int kAbortTimeoutMs = 5'000;

constexpr std::chrono::milliseconds kMetadataTimeout{10'000};

// Takes the error apart and frees it.
absl::Status TakeTransactionError(rd_kafka_error_t* error, std::string_view what) {
  if (error == nullptr) return absl::OkStatus();
  const std::string text = base::StrCat(what, ": ", rd_kafka_error_string(error));
  const bool abort = rd_kafka_error_txn_requires_abort(error) != 0;
  const bool retry = rd_kafka_error_is_retriable(error) != 0;
  const bool timed_out = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
  rd_kafka_error_destroy(error);
  if (abort) return absl::AbortedError(text);
  if (retry || timed_out) return absl::UnavailableError(text);
  return absl::FailedPreconditionError(text);
}

class ProducerImpl : public Producer {
 public:
  ProducerImpl(DeliveryListener* listener, bool transactional)
      : listener_(listener), transactional_(transactional) {}

  ~ProducerImpl() override {
    if (client_ == nullptr) return;
    stop_ = true;
    if (poller_.joinable()) poller_.join();
    for (rd_kafka_topic_t* topic : topics_) rd_kafka_topic_destroy(topic);
    // Whoever needs the queued records has called Flush or Commit; what is left is to be dropped.
    rd_kafka_purge(client_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(client_);
  }

  absl::Status Open(const Options& options) {
    std::map<std::string, std::string> settings = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.codec", options.compression},
        {"linger.ms", base::StrCat(options.linger.count())},
        {"batch.size", base::StrCat(options.batch_bytes)},
        {"batch.num.messages", "10000"},
        {"queue.buffering.max.messages", "500000"},
        {"queue.buffering.max.kbytes", base::StrCat(options.queue_kbytes)},
        {"partitioner", "murmur2_random"},
        {"message.max.bytes", base::StrCat(kMaxRecordBytes + (1 << 20))},
    };
    if (options.transactional_id.empty()) {
      settings["delivery.timeout.ms"] = base::StrCat(options.delivery_timeout.count());
    } else {
      settings["transactional.id"] = options.transactional_id;
      settings["transaction.timeout.ms"] = base::StrCat(options.transaction_timeout.count());
    }
    absl::StatusOr<rd_kafka_conf_t*> conf = MakeConf(options.client, settings);
    if (!conf.ok()) return conf.status();
    rd_kafka_conf_set_opaque(*conf, this);
    // With transactions nobody asks for single records: the commit fails if one of them did.
    if (listener_ != nullptr || !transactional_) {
      rd_kafka_conf_set_dr_msg_cb(*conf, &ProducerImpl::OnReport);
    }
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, *conf, reason, sizeof reason);
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(base::StrCat("Kafka producer: ", reason));
    }
    poller_ = std::thread([this] {
      while (!stop_) rd_kafka_poll(client_, 50);
    });
    return absl::OkStatus();
  }

  int AddTopic(std::string_view name) override {
    topics_.push_back(rd_kafka_topic_new(client_, std::string(name).c_str(), nullptr));
    return static_cast<int>(topics_.size()) - 1;
  }

  absl::StatusOr<int> CountPartitions(int topic) override {
    return kafka::CountPartitions(client_, rd_kafka_topic_name(topics_[topic]), kMetadataTimeout);
  }

  absl::Status Produce(const Outgoing& record, std::chrono::milliseconds max_wait) override {
    const bool counted = listener_ == nullptr && !transactional_;
    std::atomic<int64_t>* const side = counted ? &unanswered_[side_] : nullptr;
    if (counted) side->fetch_add(1, std::memory_order_relaxed);
    void* const opaque = counted ? side : record.opaque;
    rd_kafka_resp_err_t error = TryProduce(record, opaque);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      const auto deadline = std::chrono::steady_clock::now() + max_wait;
      while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
             std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        error = TryProduce(record, opaque);
      }
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    if (counted) side->fetch_sub(1, std::memory_order_relaxed);
    return ProduceError(error);
  }

  absl::Status Flush(std::chrono::milliseconds timeout) override {
    const auto error = rd_kafka_flush(client_, static_cast<int>(timeout.count()));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "flushing to Kafka");
    return TakeFailed();
  }

  void Mark() override { side_ = 1 - side_; }

  absl::Status AwaitMark(std::chrono::milliseconds timeout) override {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (unanswered_[1 - side_] > 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        return absl::UnavailableError("Kafka does not answer what was written to it");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return TakeFailed();
  }

  int64_t queued() const override { return rd_kafka_outq_len(client_); }

  absl::Status InitTransactions(std::chrono::milliseconds timeout) override {
    return TakeTransactionError(
        rd_kafka_init_transactions(client_, static_cast<int>(timeout.count())),
        "starting transactions");
  }
  absl::Status Begin() override {
    return TakeTransactionError(rd_kafka_begin_transaction(client_), "beginning a transaction");
  }
  absl::Status SendOffsets(std::string_view topic, const std::vector<PartitionOffset>& offsets,
                           const rd_kafka_consumer_group_metadata_t* group) override {
    rd_kafka_topic_partition_list_t* list =
        rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
    const std::string name(topic);
    for (const PartitionOffset& entry : offsets) {
      rd_kafka_topic_partition_list_add(list, name.c_str(), entry.partition)->offset = entry.offset;
    }
    rd_kafka_error_t* error =
        rd_kafka_send_offsets_to_transaction(client_, list, group, kEndTimeoutMs);
    rd_kafka_topic_partition_list_destroy(list);
    return TakeTransactionError(error, "adding offsets to a transaction");
  }
  absl::Status Commit() override {
    return TakeTransactionError(rd_kafka_commit_transaction(client_, kEndTimeoutMs),
                                "committing a transaction");
  }
  absl::Status Abort() override {
    return TakeTransactionError(rd_kafka_abort_transaction(client_, kAbortTimeoutMs),
                                "aborting a transaction");
  }

 private:
  static void OnReport(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto* self = static_cast<ProducerImpl*>(opaque);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      self->last_error_ = message->err;
      self->failed_.fetch_add(1, std::memory_order_relaxed);
    }
    if (message->_private == nullptr) return;
    if (self->listener_ == nullptr) {
      static_cast<std::atomic<int64_t>*>(message->_private)->fetch_sub(1);
      return;
    }
    self->listener_->OnDelivery(message->_private, ToStatus(message->err, "writing to Kafka"),
                                message->partition, message->offset);
  }

  static char* NotNull(std::string_view bytes) {
    return const_cast<char*>(bytes.empty() ? "" : bytes.data());
  }

  absl::Status TakeFailed() {
    const int64_t failed = failed_.exchange(0);
    if (failed == 0) return absl::OkStatus();
    return absl::DataLossError(base::StrCat(
        "Kafka did not take ", failed,
        " records: ", rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(last_error_.load()))));
  }

  rd_kafka_resp_err_t TryProduce(const Outgoing& record, void* opaque) {
    rd_kafka_vu_t args[8];
    size_t n = 0;
    args[n].vtype = RD_KAFKA_VTYPE_RKT;
    args[n++].u.rkt = topics_[record.topic];
    args[n].vtype = RD_KAFKA_VTYPE_PARTITION;
    args[n++].u.i32 = record.partition < 0 ? RD_KAFKA_PARTITION_UA : record.partition;
    args[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    args[n++].u.i = RD_KAFKA_MSG_F_COPY;
    args[n].vtype = RD_KAFKA_VTYPE_VALUE;
    // Null means no value or key; an empty one is not null.
    args[n].u.mem.ptr = record.has_value ? NotNull(record.value) : nullptr;
    args[n++].u.mem.size = record.has_value ? record.value.size() : 0;
    if (record.has_key) {
      args[n].vtype = RD_KAFKA_VTYPE_KEY;
      args[n].u.mem.ptr = NotNull(record.key);
      args[n++].u.mem.size = record.key.size();
    }
    args[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    args[n++].u.i64 = record.timestamp_ms;
    if (opaque != nullptr) {
      args[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
      args[n++].u.ptr = opaque;
    }
    rd_kafka_headers_t* headers = nullptr;
    if (!record.headers.empty()) {
      headers = rd_kafka_headers_new(record.headers.size());
      for (const Header& header : record.headers) {
        rd_kafka_header_add(headers, header.name.data(), header.name.size(), header.value.data(),
                            header.value.size());
      }
      args[n].vtype = RD_KAFKA_VTYPE_HEADERS;
      args[n++].u.headers = headers;  // the client's from here on, if it takes the record
    }
    rd_kafka_error_t* error = rd_kafka_produceva(client_, args, n);
    if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (headers != nullptr) rd_kafka_headers_destroy(headers);
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
  }

  absl::Status ProduceError(rd_kafka_resp_err_t error) const {
    if (transactional_ &&
        (error == RD_KAFKA_RESP_ERR__STATE || error == RD_KAFKA_RESP_ERR__FENCED ||
         error == RD_KAFKA_RESP_ERR__FATAL)) {
      return absl::AbortedError(
          base::StrCat("writing to Kafka in a transaction: ", rd_kafka_err2str(error)));
    }
    return ToStatus(error, "writing to Kafka");
  }

  DeliveryListener* listener_;
  const bool transactional_;
  rd_kafka_t* client_ = nullptr;
  std::vector<rd_kafka_topic_t*> topics_;
  std::thread poller_;
  std::atomic<bool> stop_{false};
  // Records that are not answered, before the line and behind it.
  std::array<std::atomic<int64_t>, 2> unanswered_{};
  std::atomic<int> side_{0};
  std::atomic<int64_t> failed_{0};
  std::atomic<int> last_error_{0};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(const Options& options,
                                                           DeliveryListener* listener) {
  auto producer = std::make_unique<ProducerImpl>(listener, !options.transactional_id.empty());
  if (absl::Status status = producer->Open(options); !status.ok()) return status;
  return producer;
}

}  // namespace levada::kafka
