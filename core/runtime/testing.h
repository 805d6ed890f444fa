#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/kafka/consumer.h"
#include "core/kafka/producer.h"
#include "core/runtime/worker.h"

// For tests of the loops on a real Kafka (LEVADA_KAFKA).
namespace levada::runtime {

// Where a loop works: everything is named by `id`.
struct Scene {
  explicit Scene(const std::string& id)
      : id(id), in(id + ".in"), out(id + ".out"), dead(id + ".dead"), group(id + ".group") {
    const char* brokers = std::getenv("LEVADA_KAFKA");
    if (brokers != nullptr) kafka.brokers = brokers;
    pipeline.mutable_metadata()->set_name(id);
    pipeline.mutable_spec()->mutable_dead_letters()->set_topic(dead);
    pipeline.mutable_spec()->add_topics()->set_name(in);
    stage.set_name("stage");
    stage.mutable_scoring()->set_commit_interval("30ms");
  }

  const std::string id, in, out, dead, group;
  std::string state_dir;  // of the worker; empty: none
  kafka::ClientConfig kafka;
  v1::Pipeline pipeline;
  v1::Stage stage;
};

// A worker, its loop in a thread of its own.
class Running {
 public:
  using Loop = std::function<absl::Status(Worker&)>;

  Running(const Scene& scene, const Loop& loop, std::string instance = "")
      : metrics_(registry_, {}),
        context_{scene.pipeline,
                 scene.stage,
                 secrets_,
                 scene.kafka,
                 metrics_,
                 registry_,
                 control_,
                 false,
                 "",
                 "",
                 "127.0.0.1",
                 "",
                 scene.state_dir,
                 std::chrono::milliseconds(50)},
        worker_{context_,    control_, metrics_,           scene.kafka,
                scene.group, scene.in, std::move(instance)},
        thread_([this, loop] { status_ = loop(worker_); }) {}
  ~Running() { Drain().IgnoreError(); }

  absl::Status Drain() {
    control_.Drain();
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  Control& control() { return control_; }
  StageMetrics& metrics() { return metrics_; }

 private:
  Control control_;
  prometheus::Registry registry_;
  StageMetrics metrics_;
  base::Secrets secrets_;
  StageContext context_;
  Worker worker_;
  absl::Status status_;
  std::thread thread_;
};

inline bool Eventually(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return done();
}

class LoopTest : public testing::Test {
 protected:
  static constexpr int kPartitions = 3;

  void SetUp() override {
    ASSERT_FALSE(scene_.kafka.brokers.empty()) << "needs a Kafka: ./dev test starts one";
    auto admin = kafka::Admin::Create(scene_.kafka);
    ASSERT_TRUE(admin.ok());
    admin_ = *std::move(admin);
    Create({{scene_.in, kPartitions, -1, {}},
            {scene_.out, kPartitions, -1, {}},
            {scene_.dead, 1, -1, {}}});
  }

  void TearDown() override {
    if (admin_) admin_->Delete(created_).IgnoreError();
  }

  // Topics that go with the test.
  void Create(const std::vector<kafka::NewTopic>& topics) {
    for (const kafka::NewTopic& topic : topics) created_.push_back(topic.name);
    ASSERT_TRUE(admin_->Create(topics).ok());
  }

  void Write(const std::string& topic, const std::vector<kafka::Outgoing>& records) {
    auto producer = kafka::Producer::Create({.client = scene_.kafka}, nullptr);
    ASSERT_TRUE(producer.ok());
    const int number = (*producer)->AddTopic(topic);
    for (kafka::Outgoing record : records) {
      record.topic = number;
      ASSERT_TRUE((*producer)->Produce(record).ok());
    }
    ASSERT_TRUE((*producer)->Flush(std::chrono::seconds(30)).ok());
  }

  // Records with keys k0, k1, … and a header.
  void Write(const std::vector<std::string>& values) {
    static constexpr Header kTrace[] = {{"trace", "t1"}};
    std::vector<std::string> keys;
    for (size_t i = 0; i < values.size(); ++i) keys.push_back(base::StrCat("k", i));
    std::vector<kafka::Outgoing> records(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      records[i].key = keys[i];
      records[i].has_key = true;
      records[i].value = values[i];
      records[i].headers = kTrace;
    }
    Write(scene_.in, records);
  }

  struct Read {
    std::string key;
    std::string value;
    std::map<std::string, std::string> headers;
  };

  // Reads until `count` records are there; more are read too, if they come within a moment.
  std::vector<Read> ReadTopic(const std::string& topic, size_t count) {
    class Ignore : public kafka::RebalanceListener {
      void OnAssigned(std::vector<kafka::PartitionOffset>*) override {}
      void OnRevoked(const std::vector<int32_t>&, bool) override {}
    } listener;
    kafka::Consumer::Options options;
    options.client = scene_.kafka;
    options.group = base::StrCat(scene_.id, "-reader-", base::RandomSeed());
    options.topic = topic;
    auto consumer = kafka::Consumer::Create(options, &listener);
    EXPECT_TRUE(consumer.ok());
    std::vector<Read> reads;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      auto batch = (*consumer)->Poll(100, std::chrono::milliseconds(500));
      if (!batch.ok()) continue;  // a topic this new may have no leader yet
      if (batch->empty() && reads.size() >= count) break;
      for (const Record& record : batch->records()) {
        Read read{std::string(record.key), std::string(record.value), {}};
        std::vector<Header> headers;
        batch->ReadHeaders(record, &headers);
        for (const Header& header : headers) read.headers.emplace(header.name, header.value);
        reads.push_back(std::move(read));
      }
    }
    return reads;
  }

  static std::vector<std::string> Values(const std::vector<Read>& reads) {
    std::vector<std::string> values;
    for (const Read& read : reads) values.push_back(read.value);
    return values;
  }

  // Runs a loop until `done`, then drains it.
  absl::Status RunUntil(const Running::Loop& loop, const std::function<bool()>& done,
                        std::string instance = "") {
    Running running(scene_, loop, std::move(instance));
    EXPECT_TRUE(Eventually(done)) << StateName(running.control().state()) << ": "
                                  << running.control().message();
    absl::Status status = running.Drain();
    numbers_ = running.metrics().Read();
    return status;
  }

  // Offsets of the group on the input, all partitions together.
  int64_t Committed() {
    auto offsets = admin_->Committed(scene_.group, scene_.in);
    if (!offsets.ok()) return -1;
    int64_t sum = 0;
    for (const int64_t offset : *offsets) sum += std::max<int64_t>(offset, 0);
    return sum;
  }

  Scene scene_{base::StrCat("loops-", base::RandomSeed() % 1'000'000'000)};
  std::unique_ptr<kafka::Admin> admin_;
  StageMetrics::Numbers numbers_;  // of RunUntil

 private:
  std::vector<std::string> created_;
};

}  // namespace levada::runtime
