#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

typedef struct rd_kafka_s rd_kafka_t;

// Keeps a consumer fetching. In librdkafka 2.0 the thread of a broker stops fetching when the
// consumer's queue is full, and looks again only when something else wakes it, or after a second:
// a reader that is slower than the broker would get one queue a second. So when the queue has gone
// down to half after it was full, the brokers are asked for something small.
//
//   FetchWaker waker(client, 4 << 20);
//   …
//   waker.Taken(count, bytes, rd_kafka_queue_length(queue));
//
// Threads: one.
namespace levada::kafka {

// fetch.message.max.bytes, of which each partition of a broker may bring as many. A larger message
// comes alone.
inline constexpr int64_t kPartitionFetchBytes = 256 << 10;

// queued.min.messages: the queue is full with as many messages, too.
inline constexpr int64_t kMaxQueued = 100'000;

class FetchWaker {
 public:
  // `queue_bytes`: queued.max.messages.kbytes. The client outlives it.
  FetchWaker(rd_kafka_t* client, int64_t queue_bytes);
  ~FetchWaker();
  FetchWaker(const FetchWaker&) = delete;
  FetchWaker& operator=(const FetchWaker&) = delete;

  // So many messages with so many bytes were taken from the queue, and so many are left there.
  void Taken(int64_t messages, int64_t bytes, int64_t left);

 private:
  void Run();
  void Wake() const;

  rd_kafka_t* const client_;
  const int64_t queue_bytes_;
  double mean_bytes_ = 0;  // of a message
  int64_t most_ = 0;       // in the queue since the brokers were woken
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wake_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace levada::kafka
