// A Processor's loop on a real Kafka.

#include <atomic>

#include "core/record/headers.h"
#include "core/runtime/testing.h"

namespace levada::runtime {
namespace {

using testing::HasSubstr;

// Sends each value on in capitals; "drop" is filtered, "bad" is a dead letter, "big" grows past
// what a topic takes.
class Capitals : public Processor {
 public:
  explicit Capitals(std::string topic) : topics_({std::move(topic)}) {}
  const std::vector<std::string>& output_topics() const override { return topics_; }

  absl::Status Process(const Batch& in, OutputBatch* out) override {
    for (size_t i = 0; i < in.size(); ++i) {
      const auto source = static_cast<int32_t>(i);
      if (in[i].value == "bad") {
        out->dead_letters().push_back({source, "this one is bad"});
      } else if (in[i].value == "drop") {
        ++out->filtered;
      } else {
        Send(in[i], source, out);
      }
    }
    return absl::OkStatus();
  }

 private:
  static void Send(const Record& record, int32_t source, OutputBatch* out) {
    OutputRecord result;
    result.source = source;
    result.key = record.key;
    result.has_key = record.has_key;
    result.begin = static_cast<uint32_t>(out->buffer().size());
    if (record.value == "big") {
      out->buffer().append(4 << 20, 'x');
    } else {
      for (char c : record.value) out->buffer().push_back(static_cast<char>(std::toupper(c)));
    }
    result.size = static_cast<uint32_t>(out->buffer().size() - result.begin);
    out->records().push_back(result);
  }

  std::vector<std::string> topics_;
};

// Makes many of each record and passes them on before it has made all. The first time that it comes
// to "fails" it fails in the middle of them.
class Many : public Processor {
 public:
  static constexpr int kOfEach = 5000;

  explicit Many(std::string topic) : topics_({std::move(topic)}) {}
  const std::vector<std::string>& output_topics() const override { return topics_; }

  absl::Status Process(const Batch& in, OutputBatch* out) override {
    for (const Record& record : in.records()) {
      ++out->filtered;
      for (int i = 0; i < kOfEach; ++i) {
        OutputRecord result;
        result.key = record.key;
        result.has_key = true;
        result.begin = static_cast<uint32_t>(out->buffer().size());
        base::StrAppend(&out->buffer(), record.value, "-", 10'000 + i, " ", kMuch);
        result.size = static_cast<uint32_t>(out->buffer().size() - result.begin);
        out->records().push_back(result);
        if (absl::Status status = out->PassOn(); !status.ok()) return status;
        if (i == kOfEach - 100 && record.value == "fails" && !std::exchange(failed, true)) {
          EXPECT_LT(out->records().size(), kOfEach / 2u) << "most are in Kafka";
          return absl::UnavailableError("once");
        }
      }
    }
    return absl::OkStatus();
  }

  bool failed = false;

 private:
  static inline const std::string kMuch = std::string(900, 'x');
  std::vector<std::string> topics_;
};

using ProcessorLoopTest = LoopTest;

// One batch may bring about more than there is memory for; its results are in one transaction
// still.
TEST_F(ProcessorLoopTest, ResultsThatArePassedOnBeforeTheirBatchEndsAreThereOnce) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 8; ++i) inputs.push_back(base::StrCat("v", i));
  inputs.emplace_back("fails");
  Write(inputs);
  Many many(scene_.out);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, many); },
                       [&] { return Committed() >= static_cast<int64_t>(inputs.size()); })
                  .ok());
  EXPECT_TRUE(many.failed);
  std::map<std::string, std::vector<std::string>> by_key;
  const size_t total = inputs.size() * Many::kOfEach;
  for (const Read& read : ReadTopic(scene_.out, total)) by_key[read.key].push_back(read.value);
  ASSERT_EQ(by_key.size(), inputs.size());
  for (size_t k = 0; k < inputs.size(); ++k) {
    const std::vector<std::string>& values = by_key[base::StrCat("k", k)];
    ASSERT_EQ(values.size(), Many::kOfEach) << inputs[k];
    for (int i = 0; i < Many::kOfEach; ++i) {
      ASSERT_THAT(values[i], testing::StartsWith(base::StrCat(inputs[k], "-", 10'000 + i, " ")));
    }
  }
  EXPECT_EQ(numbers_.records_out, total) << "only what was committed counts";
}

TEST_F(ProcessorLoopTest, AProcessorSendsOnFiltersAndBuries) {
  Write({"one", "drop", "bad", "two"});
  Capitals capitals(scene_.out);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 4; })
                  .ok());
  EXPECT_EQ(numbers_.records_in, 4u);
  EXPECT_EQ(numbers_.records_out, 2u);
  EXPECT_EQ(numbers_.filtered, 1u);
  EXPECT_EQ(numbers_.dead_letters, 1u);
  const std::vector<Read> out = ReadTopic(scene_.out, 2);
  EXPECT_THAT(Values(out), testing::UnorderedElementsAre("ONE", "TWO"));
  EXPECT_EQ(out[0].headers.at("trace"), "t1");
  const std::vector<Read> dead = ReadTopic(scene_.dead, 1);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].value, "bad");
  EXPECT_EQ(dead[0].key, "k2");
  EXPECT_EQ(dead[0].headers.at("trace"), "t1");
  EXPECT_EQ(dead[0].headers.at(std::string(kErrorHeader)), "this one is bad");
  EXPECT_EQ(dead[0].headers.at(std::string(kStageHeader)), scene_.id + "/stage");
  EXPECT_EQ(dead[0].headers.at(std::string(kTopicHeader)), scene_.in);
  EXPECT_TRUE(dead[0].headers.contains(std::string(kOffsetHeader)));
}

TEST_F(ProcessorLoopTest, AResultThatTheTopicDoesNotTakeIsBuried) {
  Write({"big", "small"});
  Capitals capitals(scene_.out);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 2; })
                  .ok());
  EXPECT_THAT(Values(ReadTopic(scene_.out, 1)), testing::ElementsAre("SMALL"));
  const std::vector<Read> dead = ReadTopic(scene_.dead, 1);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].value, "big");
  EXPECT_THAT(dead[0].headers.at(std::string(kErrorHeader)), HasSubstr("max.message.bytes"));
}

TEST_F(ProcessorLoopTest, BatchesAreNoLargerThanTheTopicTakes) {
  const std::string tight = scene_.id + ".tight";
  Create({{tight, 1, -1, {{"max.message.bytes", "50000"}}}});
  base::Random random(1);
  std::vector<std::string> values(300, std::string(1000, ' '));
  for (std::string& value : values) {
    for (char& c : value) c = static_cast<char>('A' + random.Below(26));  // does not compress
  }
  Write(values);
  Capitals capitals(tight);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 300; })
                  .ok());
  EXPECT_THAT(Values(ReadTopic(tight, 300)), testing::UnorderedElementsAreArray(values));
}

TEST_F(ProcessorLoopTest, ASecondRunGoesOnWhereTheFirstEnded) {
  std::vector<std::string> values;
  for (int i = 0; i < 5000; ++i) values.push_back(base::StrCat("v", i));
  const std::vector<std::string> first(values.begin(), values.begin() + 2500);
  const std::vector<std::string> second(values.begin() + 2500, values.end());
  Capitals capitals(scene_.out);
  const auto loop = [&](Worker& worker) { return RunProcessor(worker, capitals); };
  Write(first);
  ASSERT_TRUE(RunUntil(
                  loop, [&] { return Committed() >= 2500; }, "worker-1")
                  .ok());
  Write(second);
  ASSERT_TRUE(RunUntil(
                  loop, [&] { return Committed() >= 5000; }, "worker-1")
                  .ok());
  std::vector<std::string> out = Values(ReadTopic(scene_.out, values.size()));
  std::sort(out.begin(), out.end());
  for (std::string& value : values) value[0] = 'V';
  std::sort(values.begin(), values.end());
  EXPECT_EQ(out, values);
}

TEST_F(ProcessorLoopTest, AtLeastOnceCommitsToo) {
  scene_.stage.mutable_scoring()->set_delivery(v1::DELIVERY_AT_LEAST_ONCE);
  Write({"one", "two", "three"});
  Capitals capitals(scene_.out);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 3; })
                  .ok());
  EXPECT_EQ(ReadTopic(scene_.out, 3).size(), 3u);
}

}  // namespace
}  // namespace levada::runtime
