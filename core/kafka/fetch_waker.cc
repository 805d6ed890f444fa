#include "core/kafka/fetch_waker.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

namespace levada::kafka {
namespace {

// How much of a full queue counts as full: its size in bytes is only estimated.
constexpr double kFull = 0.7;
constexpr double kLow = 0.5;
constexpr double kNewest = 0.1;  // weight of the last messages in the mean
constexpr int kTimeoutMs = 1000;

}  // namespace

FetchWaker::FetchWaker(rd_kafka_t* client, int64_t queue_bytes)
    : client_(client), queue_bytes_(queue_bytes), thread_([this] { Run(); }) {}

FetchWaker::~FetchWaker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void FetchWaker::Taken(int64_t messages, int64_t bytes, int64_t left) {
  if (messages > 0) {
    const double mean = static_cast<double>(bytes) / static_cast<double>(messages);
    mean_bytes_ = mean_bytes_ == 0 ? mean : mean_bytes_ + kNewest * (mean - mean_bytes_);
  }
  most_ = std::max(most_, left + messages);
  const double full = std::min(static_cast<double>(kMaxQueued),
                               static_cast<double>(queue_bytes_) / std::max(mean_bytes_, 1.0));
  if (static_cast<double>(most_) < kFull * full || static_cast<double>(left) > kLow * full) return;
  most_ = left;
  {
    const std::lock_guard lock(mutex_);
    wake_ = true;
  }
  changed_.notify_one();
}

void FetchWaker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return wake_ || stop_; });
    if (stop_) return;
    wake_ = false;
    lock.unlock();
    Wake();
    lock.lock();
  }
}

// Any request to the leaders of the partitions does: their threads look at the queue beside it.
void FetchWaker::Wake() const {
  rd_kafka_topic_partition_list_t* partitions = nullptr;
  if (rd_kafka_assignment(client_, &partitions) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
  if (partitions->cnt > 0) rd_kafka_offsets_for_times(client_, partitions, kTimeoutMs);
  rd_kafka_topic_partition_list_destroy(partitions);
}

}  // namespace levada::kafka
