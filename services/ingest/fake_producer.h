#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/kafka/producer.h"

// A producer for tests: keeps what it is handed and answers at once, when told, or never.
namespace levada::ingest {

class FakeProducer : public kafka::Producer {
 public:
  struct Sent {
    std::string key;
    bool has_key = false;
    std::string value;
    int64_t timestamp_ms = 0;
    std::map<std::string, std::string> headers;
    void* opaque = nullptr;
  };

  explicit FakeProducer(kafka::DeliveryListener* listener) : listener_(listener) {}

  absl::StatusOr<int> CountPartitions(int) override { return 1; }
  int AddTopic(std::string_view) override { return 0; }

  absl::Status Produce(const kafka::Outgoing& record, std::chrono::milliseconds) override {
    std::unique_lock lock(mutex_);
    if (!produce_status.ok()) return produce_status;
    Sent sent{std::string(record.key),
              record.has_key,
              std::string(record.value),
              record.timestamp_ms,
              {},
              record.opaque};
    for (const Header& header : record.headers) {
      sent.headers.emplace(header.name, header.value);
    }
    sent_.push_back(std::move(sent));
    const int64_t offset = next_offset_++;
    arrived_.notify_all();
    const bool answer = answer_at_once;
    if (!answer) unanswered_.push_back({record.opaque, offset});
    lock.unlock();
    if (answer) listener_->OnDelivery(record.opaque, delivery_status, 0, offset);
    return absl::OkStatus();
  }

  // Answers everything that was not answered yet.
  void Answer(const absl::Status& status = absl::OkStatus()) {
    std::unique_lock lock(mutex_);
    const auto unanswered = std::exchange(unanswered_, {});
    lock.unlock();
    for (const auto& [opaque, offset] : unanswered) {
      listener_->OnDelivery(opaque, status, status.ok() ? 0 : -1, status.ok() ? offset : -1);
    }
  }

  bool WaitForRecords(size_t count) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return sent_.size() >= count; });
  }

  std::vector<Sent> sent() const {
    std::lock_guard lock(mutex_);
    return sent_;
  }

  absl::Status Flush(std::chrono::milliseconds) override { return absl::OkStatus(); }
  int64_t queued() const override { return 0; }
  void Mark() override {}
  absl::Status AwaitMark(std::chrono::milliseconds) override { return absl::OkStatus(); }
  absl::Status InitTransactions(std::chrono::milliseconds) override { return absl::OkStatus(); }
  absl::Status Begin() override { return absl::OkStatus(); }
  absl::Status SendOffsets(std::string_view, const std::vector<kafka::PartitionOffset>&,
                           const rd_kafka_consumer_group_metadata_t*) override {
    return absl::OkStatus();
  }
  absl::Status Commit() override { return absl::OkStatus(); }
  absl::Status Abort() override { return absl::OkStatus(); }

  bool answer_at_once = true;    // set before the first record, as the two below
  absl::Status delivery_status;  // with answer_at_once
  absl::Status produce_status;

 private:
  kafka::DeliveryListener* const listener_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Sent> sent_;
  std::vector<std::pair<void*, int64_t>> unanswered_;
  int64_t next_offset_ = 0;
};

}  // namespace levada::ingest
