// How long events take through a stage: writes the events of benchmarks/payments.h to a topic at a
// steady rate, reads another (read_committed), and says for how long each was under way.
//
//   latency_probe BROKERS IN OUT RATE SECONDS WARM_UP_SECONDS
//
// An event's time begins when it was due, by the rate, whether it was sent then or later, and ends
// when a consumer has been handed the result with its id. Those of the warm-up do not count. With
// OUT the same as IN it measures Kafka and this program alone. Answers with a line of JSON.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "benchmarks/payments.h"
#include "benchmarks/raw_client.h"

namespace {

using Clock = std::chrono::steady_clock;
using levada::bench::Die;
using levada::bench::MakeClient;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kPatience{20};
constexpr std::string_view kId = R"("id":"e)";

class Probe {
 public:
  Probe(std::string brokers, std::string in, std::string out, int64_t rate, int64_t seconds,
        int64_t warm_up)
      : brokers_(std::move(brokers)),
        in_(std::move(in)),
        out_(std::move(out)),
        rate_(rate),
        first_(rate * warm_up),
        count_(rate * (warm_up + seconds)),
        took_(count_, -1) {}

  void Run() {
    std::thread reader([this] { Read(); });
    while (!reading_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Write();
    reader.join();
    Report();
  }

 private:
  Clock::time_point Due(int64_t event) const {
    return begin_ + nanoseconds(event * 1'000'000'000 / rate_);
  }

  void Write() {
    rd_kafka_t* producer = MakeClient(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers_},
                                                          {"enable.idempotence", "true"},
                                                          {"linger.ms", "1"},
                                                          {"compression.codec", "lz4"},
                                                          {"partitioner", "murmur2_random"}});
    rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, in_.c_str(), nullptr);
    levada::bench::Payments payments(static_cast<double>(rate_));
    begin_ = Clock::now() + std::chrono::milliseconds(100);
    for (int64_t event = 0; event < count_; ++event) {
      payments.Next();
      const auto due = Due(event);
      if (due > Clock::now()) {
        rd_kafka_poll(producer, 0);
        std::this_thread::sleep_until(std::max(due, Clock::now() + std::chrono::microseconds(500)));
      }
      if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                           const_cast<char*>(payments.value().data()), payments.value().size(),
                           payments.key().data(), payments.key().size(), nullptr) != 0) {
        Die(rd_kafka_err2str(rd_kafka_last_error()));
      }
    }
    if (rd_kafka_flush(producer, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) Die("cannot flush");
    written_ = true;
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
  }

  void Read() {
    rd_kafka_t* consumer = MakeClient(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers_},
                                                          {"group.id", "latency_probe"},
                                                          {"enable.auto.commit", "false"},
                                                          {"isolation.level", "read_committed"}});
    rd_kafka_poll_set_consumer(consumer);
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_topic_t* topic = rd_kafka_topic_new(consumer, out_.c_str(), nullptr);
    if (rd_kafka_metadata(consumer, 0, topic, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Die("no metadata");
    }
    rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
      int64_t low = 0;
      int64_t high = 0;
      rd_kafka_query_watermark_offsets(consumer, out_.c_str(), i, &low, &high, 10'000);
      rd_kafka_topic_partition_list_add(all, out_.c_str(), i)->offset = high;
    }
    rd_kafka_assign(consumer, all);
    rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer);
    reading_ = true;
    Take(queue);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
  }

  // Until all results are there.
  void Take(rd_kafka_queue_t* queue) {
    std::vector<rd_kafka_message_t*> messages(1000);
    auto last = Clock::now();
    for (int64_t left = count_; left > 0;) {
      ssize_t count = rd_kafka_consume_batch_queue(queue, 0, messages.data(), messages.size());
      if (count == 0) count = rd_kafka_consume_batch_queue(queue, 100, messages.data(), 1);
      const auto now = Clock::now();
      for (ssize_t i = 0; i < count; ++i) {
        if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && Arrived(*messages[i], now)) --left;
        rd_kafka_message_destroy(messages[i]);
      }
      if (count > 0) last = now;
      if (written_ && now - last > kPatience) Die(std::to_string(left) + " results did not come");
    }
  }

  // False: it was there before (at least once may repeat).
  bool Arrived(const rd_kafka_message_t& message, Clock::time_point now) {
    const std::string_view value(static_cast<const char*>(message.payload), message.len);
    const size_t at = value.find(kId);
    if (at == value.npos) Die("a result without an id");
    const int64_t event = std::strtoll(value.data() + at + kId.size(), nullptr, 10);
    if (event < 0 || event >= count_) Die("a result that is not of this run");
    if (took_[event] >= 0) return false;
    took_[event] = (now - Due(event)).count();
    return true;
  }

  void Report() {
    std::vector<int64_t> took(took_.begin() + first_, took_.end());
    std::sort(took.begin(), took.end());
    const auto percentile = [&](double part) {
      const auto at = static_cast<size_t>(part * static_cast<double>(took.size() - 1));
      return static_cast<double>(took[at]) / 1e6;
    };
    std::printf(R"({"events":%zu,"p50":%.2f,"p90":%.2f,"p99":%.2f,"p999":%.2f,"max":%.2f})"
                "\n",
                took.size(), percentile(0.5), percentile(0.9), percentile(0.99), percentile(0.999),
                percentile(1));
  }

  const std::string brokers_;
  const std::string in_;
  const std::string out_;
  const int64_t rate_;
  const int64_t first_;  // event that counts
  const int64_t count_;
  Clock::time_point begin_;
  std::atomic<bool> reading_{false};
  std::atomic<bool> written_{false};
  std::vector<int64_t> took_;  // ns, by event; -1: not there yet
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) Die("usage: latency_probe BROKERS IN OUT RATE SECONDS WARM_UP_SECONDS");
  Probe(argv[1], argv[2], argv[3], std::atol(argv[4]), std::atol(argv[5]), std::atol(argv[6]))
      .Run();
  return 0;
}
