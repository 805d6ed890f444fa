#include "core/kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/kafka/fetch_waker.h"
#include "core/kafka/messages.h"

namespace levada::kafka {
namespace {

constexpr int kAssignTimeoutMs = 15'000;
// To ask for ends, of some partitions where there are many; not in pauses of a stage that is busy.
constexpr std::chrono::milliseconds kLongPause{1000};
constexpr std::chrono::milliseconds kAskEnds{100};

class ConsumerImpl : public Consumer {
 public:
  ConsumerImpl(const Options& options, RebalanceListener* listener)
      : options_(options), listener_(listener) {}

  ~ConsumerImpl() override {
    Close();
    if (left_alone_) return;  // its threads go with the process
    if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
    if (client_ != nullptr) rd_kafka_destroy(client_);
  }

  absl::Status Open() {
    std::map<std::string, std::string> settings = {
        {"group.id", options_.group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        // Where to begin is decided when partitions are assigned; what happens to a topic
        // afterwards is to be seen, not jumped over.
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"isolation.level", "read_committed"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"session.timeout.ms", base::StrCat(options_.session_timeout.count())},
        {"heartbeat.interval.ms", base::StrCat(options_.session_timeout.count() / 5)},
        {"max.poll.interval.ms", "300000"},
        {"queued.min.messages", base::StrCat(kMaxQueued)},
        {"queued.max.messages.kbytes", base::StrCat(options_.queue_kbytes)},
        {"fetch.message.max.bytes", base::StrCat(kPartitionFetchBytes)},
        {"fetch.max.bytes", base::StrCat(options_.fetch_bytes)},
        {"fetch.wait.max.ms", "50"},
        {"fetch.error.backoff.ms", "200"},
    };
    if (!options_.instance.empty()) settings["group.instance.id"] = options_.instance;
    if (!options_.client_id.empty()) settings["client.id"] = options_.client_id;
    absl::StatusOr<rd_kafka_conf_t*> conf = MakeConf(options_.client, settings);
    if (!conf.ok()) return conf.status();
    rd_kafka_conf_set_opaque(*conf, this);
    rd_kafka_conf_set_rebalance_cb(*conf, &ConsumerImpl::OnRebalance);
    rd_kafka_conf_set_error_cb(*conf, &ConsumerImpl::OnError);
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason);
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(base::StrCat("Kafka consumer: ", reason));
    }
    rd_kafka_poll_set_consumer(client_);
    queue_ = rd_kafka_queue_get_consumer(client_);
    waker_.emplace(client_, options_.queue_kbytes << 10);
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, options_.topic.c_str(), RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return ToStatus(error, base::StrCat("subscribing to ", options_.topic));
  }

  absl::StatusOr<Batch> Poll(int max_records, std::chrono::milliseconds timeout) override {
    revoked_now_.clear();
    scratch_.resize(max_records);
    const ssize_t count = TakeMessages(queue_, static_cast<int>(timeout.count()), &scratch_);
    if (count < 0) return ToStatus(rd_kafka_last_error(), "reading from Kafka");
    absl::Status status = assign_error_;
    Batch batch = Collect(count, &status);
    if (!status.ok()) return status;
    waker_->Taken(static_cast<int64_t>(batch.size()), static_cast<int64_t>(batch.bytes()),
                  static_cast<int64_t>(rd_kafka_queue_length(queue_)));
    return batch;
  }

  void Pause() override {
    if (std::exchange(paused_, true)) return;
    paused_at_ = std::chrono::steady_clock::now();
    SetPaused();
  }
  void Resume() override {
    if (std::exchange(paused_, false)) SetPaused();
  }
  bool paused() const override { return paused_; }

  absl::Status Commit(const std::vector<PartitionOffset>& offsets) override {
    rd_kafka_topic_partition_list_t* list =
        rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
    for (const PartitionOffset& entry : offsets) {
      rd_kafka_topic_partition_t* added =
          rd_kafka_topic_partition_list_add(list, options_.topic.c_str(), entry.partition);
      added->offset = entry.offset;
      if (!entry.metadata.empty()) {
        added->metadata = malloc(entry.metadata.size());
        std::copy(entry.metadata.begin(), entry.metadata.end(),
                  static_cast<char*>(added->metadata));
        added->metadata_size = entry.metadata.size();
      }
    }
    const rd_kafka_resp_err_t error = rd_kafka_commit(client_, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return ToStatus(error, "committing offsets");
  }

  rd_kafka_consumer_group_metadata_t* GroupMetadata() const override {
    rd_kafka_consumer_group_metadata_t* const group = rd_kafka_consumer_group_metadata(client_);
    if (group == nullptr || !IsNobody(*group)) return group;
    rd_kafka_consumer_group_metadata_destroy(group);
    return nullptr;
  }

  std::vector<int32_t> assignment() const override {
    std::vector<int32_t> partitions;
    for (const auto& [partition, next] : next_) partitions.push_back(partition);
    return partitions;
  }

  std::vector<int32_t> at_end() const override { return {at_end_.begin(), at_end_.end()}; }

  int64_t Lag() override {
    if (paused_ && std::chrono::steady_clock::now() - paused_at_ > kLongPause) AskEnds();
    int64_t lag = 0;
    for (const auto& [partition, next] : next_) {
      int64_t low = 0;
      int64_t high = -1;
      rd_kafka_get_watermark_offsets(client_, options_.topic.c_str(), partition, &low, &high);
      lag += std::max<int64_t>(0, std::max(high, ends_[partition]) - std::max(next, low));
    }
    return lag;
  }

  void Close() override {
    if (std::exchange(closed_, true) || client_ == nullptr) return;
    waker_.reset();
    if (!placed_) {
      rd_kafka_unsubscribe(client_);  // from here on no group takes it in
      left_alone_ = WasTakenIn();
    }
    rd_kafka_consumer_close(client_);
  }

 private:
  // Whether a group has ever let it join. librdkafka before 2.3 ends the process (issue 4312) when
  // such a client is destroyed before it was told its first partitions: it only leaves the group.
  bool WasTakenIn() const {
    const char* const protocol = rd_kafka_rebalance_protocol(client_);
    return protocol != nullptr && std::string_view(protocol) != "NONE";
  }

  // What the client says while it has no place in the group: neither a member's name nor a
  // generation. With that, Kafka does not check who commits.
  bool IsNobody(const rd_kafka_consumer_group_metadata_t& group) const {
    if (!options_.instance.empty()) return false;  // checked by the name of the instance
    rd_kafka_consumer_group_metadata_t* const nobody =
        rd_kafka_consumer_group_metadata_new_with_genid(options_.group.c_str(), -1, "", nullptr);
    const bool is = Bytes(group) == Bytes(*nobody);
    rd_kafka_consumer_group_metadata_destroy(nobody);
    return is;
  }

  static std::string Bytes(const rd_kafka_consumer_group_metadata_t& group) {
    void* bytes = nullptr;
    size_t size = 0;
    rd_kafka_error_t* const error = rd_kafka_consumer_group_metadata_write(&group, &bytes, &size);
    if (error != nullptr) rd_kafka_error_destroy(error);
    std::string copy(static_cast<const char*>(bytes), size);
    rd_kafka_mem_free(nullptr, bytes);
    return copy;
  }

  // Sorts messages from events among the first `count` of scratch_.
  Batch Collect(ssize_t count, absl::Status* status) {
    std::vector<rd_kafka_message_t*> kept;
    std::vector<Record> records;
    kept.reserve(count);
    records.reserve(count);
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = scratch_[i];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        absl::Status event = OnEvent(*message);
        if (status->ok()) *status = std::move(event);
      } else if (Wanted(*message)) {
        records.push_back(ToRecord(*message));
        kept.push_back(message);
        continue;
      }
      rd_kafka_message_destroy(message);
    }
    return Batch(options_.topic, std::move(records), std::make_shared<Messages>(std::move(kept)));
  }

  // librdkafka 2.0 may hand out, in one batch, messages from before a rebalance or pause together
  // with those from after it (its release notes for 2.1). What is not ours or was seen is dropped.
  bool Wanted(const rd_kafka_message_t& message) {
    if (!revoked_now_.empty() && revoked_now_.contains(message.partition)) return false;
    const auto next = next_.find(message.partition);
    if (next == next_.end() || message.offset < next->second) return false;
    next->second = message.offset + 1;
    if (!at_end_.empty()) at_end_.erase(message.partition);
    return true;
  }

  absl::Status OnEvent(const rd_kafka_message_t& message) {
    switch (message.err) {
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        // Behind the last record there may be markers of transactions: they are no lag.
        if (auto next = next_.find(message.partition); next != next_.end()) {
          next->second = std::max(next->second, message.offset);
          at_end_.insert(message.partition);
        }
        return absl::OkStatus();
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return absl::DataLossError(base::StrCat("offsets of ", options_.topic, "[",
                                                message.partition,
                                                "] are gone: the topic was created again, or its "
                                                "retention has passed this reader"));
      case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        return absl::AbortedError("the group has given this worker's partitions away");
      case RD_KAFKA_RESP_ERR__FATAL:
      case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return absl::FailedPreconditionError(base::StrCat(
            "another worker has taken this one's place: ", rd_kafka_message_errstr(&message)));
      default:
        return ToStatus(message.err, base::StrCat("reading ", options_.topic));
    }
  }

  // Of what is not fetched the client hears no ends: some partitions a call, in turn.
  void AskEnds() {
    const auto until = std::chrono::steady_clock::now() + kAskEnds;
    for (size_t asked = 0; asked < next_.size(); ++asked) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      if (left.count() <= 0) return;
      auto next = next_.upper_bound(asked_);
      if (next == next_.end()) next = next_.begin();
      asked_ = next->first;
      int64_t low = 0;
      int64_t high = 0;
      const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
          client_, options_.topic.c_str(), asked_, &low, &high, static_cast<int>(left.count()));
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) ends_[asked_] = high;
    }
  }

  static void OnError(rd_kafka_t* client, int code, const char* reason, void*) {
    static base::LogLimiter limiter{std::chrono::seconds(10)};
    base::LogEvery(limiter, base::LogLevel::kWarn, "kafka",
                   {{"client", rd_kafka_name(client)},
                    {"error", rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code))},
                    {"reason", reason}});
  }

  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t code,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque) {
    auto* self = static_cast<ConsumerImpl*>(opaque);
    rd_kafka_error_t* error = nullptr;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      self->placed_ = true;
      if (!self->closed_) self->Assigned(partitions);
      error = rd_kafka_incremental_assign(client, partitions);
      if (self->paused_) rd_kafka_pause_partitions(client, partitions);
    } else {
      self->Revoked(*partitions, rd_kafka_assignment_lost(client) != 0);
      error = rd_kafka_incremental_unassign(client, partitions);
    }
    if (error != nullptr) {
      self->assign_error_ =
          absl::AbortedError(base::StrCat("rebalance: ", rd_kafka_error_string(error)));
      rd_kafka_error_destroy(error);
    }
  }

  void Assigned(rd_kafka_topic_partition_list_t* partitions) {
    const rd_kafka_resp_err_t error = rd_kafka_committed(client_, partitions, kAssignTimeoutMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // Reading from a guess would double or lose records; the caller makes a new consumer.
      assign_error_ = absl::UnavailableError(
          base::StrCat("reading committed offsets: ", rd_kafka_err2str(error)));
      return;
    }
    std::vector<PartitionOffset> offsets;
    for (int i = 0; i < partitions->cnt; ++i) offsets.push_back(Start(partitions->elems[i]));
    if (!assign_error_.ok()) return;
    listener_->OnAssigned(&offsets);
    for (int i = 0; i < partitions->cnt; ++i) {
      const int64_t offset = offsets[i].offset;
      partitions->elems[i].offset = offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : offset;
      next_[partitions->elems[i].partition] = std::max<int64_t>(offset, 0);
      ends_[partitions->elems[i].partition] = offsets[i].end;
      // It may have been taken away in the same Poll; from `next_` on its records are wanted again.
      revoked_now_.erase(partitions->elems[i].partition);
    }
  }

  // Where to begin: the committed offset, if the partition still reaches there.
  PartitionOffset Start(const rd_kafka_topic_partition_t& entry) {
    PartitionOffset start;
    start.partition = entry.partition;
    int64_t low = 0;
    int64_t high = 0;
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        client_, entry.topic, entry.partition, &low, &high, kAssignTimeoutMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      assign_error_ = absl::UnavailableError(
          base::StrCat("reading the ends of ", entry.topic, ": ", rd_kafka_err2str(error)));
      return start;
    }
    start.begin = low;
    start.end = high;
    if (entry.offset < 0) return start;
    if (entry.offset > high) {
      base::LogWarn("the topic was created again: reading it from its beginning",
                    {{"topic", entry.topic},
                     {"partition", entry.partition},
                     {"committed", entry.offset},
                     {"end", high}});
      return start;
    }
    if (entry.offset < low) {
      base::LogError("records were deleted by retention before this stage read them",
                     {{"topic", entry.topic},
                      {"partition", entry.partition},
                      {"records", low - entry.offset}});
    }
    start.offset = std::max<int64_t>(entry.offset, low);
    if (entry.metadata != nullptr) {
      start.metadata.assign(static_cast<const char*>(entry.metadata), entry.metadata_size);
    }
    return start;
  }

  void Revoked(const rd_kafka_topic_partition_list_t& partitions, bool lost) {
    std::vector<int32_t> gone;
    for (int i = 0; i < partitions.cnt; ++i) gone.push_back(partitions.elems[i].partition);
    listener_->OnRevoked(gone, lost);
    for (int32_t partition : gone) {
      next_.erase(partition);
      ends_.erase(partition);
      at_end_.erase(partition);
      revoked_now_.insert(partition);
    }
  }

  void SetPaused() {
    rd_kafka_topic_partition_list_t* list = nullptr;
    if (rd_kafka_assignment(client_, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (paused_) {
      rd_kafka_pause_partitions(client_, list);
    } else {
      rd_kafka_resume_partitions(client_, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
  }

  const Options options_;
  RebalanceListener* listener_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  std::optional<FetchWaker> waker_;
  std::vector<rd_kafka_message_t*> scratch_;
  std::map<int32_t, int64_t> next_;  // assigned partitions: the next offset Poll may return
  std::map<int32_t, int64_t> ends_;  // of them: the last ends that were asked for
  int32_t asked_ = -1;               // the last partition whose end was
  std::set<int32_t> at_end_;
  std::set<int32_t> revoked_now_;  // in the Poll under way
  absl::Status assign_error_;
  bool paused_ = false;
  std::chrono::steady_clock::time_point paused_at_;
  bool closed_ = false;
  bool placed_ = false;      // partitions were given to it, be it none
  bool left_alone_ = false;  // see WasTakenIn
};

}  // namespace

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(const Options& options,
                                                           RebalanceListener* listener) {
  auto consumer = std::make_unique<ConsumerImpl>(options, listener);
  if (absl::Status status = consumer->Open(); !status.ok()) return status;
  return consumer;
}

}  // namespace levada::kafka
