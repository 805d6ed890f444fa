// What testdata/cases cannot say: input of sizes and bytes that have no place in YAML, and batches.
// The behaviour of the steps is in testdata/cases.
#include "services/scoring/chain.h"

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <map>
#include <nlohmann/json.hpp>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kSetX[] = R"(      - set:
        - {name: x, value: "has(event.a) ? a : 0.0"}
)";

class ChainTest : public testing::Test {
 protected:
  void Make(const std::string& manifest) {
    stage_.emplace(manifest);
    chain_ = stage_->MakeChain();
    ASSERT_NE(chain_, nullptr);
  }

  // The values of the results.
  std::vector<std::string> Process(std::vector<std::string> events) {
    batch_ = Batch::FromValues("in", std::move(events), 0, 1'793'606'400'000);
    out_.Clear();
    EXPECT_TRUE(chain_->Process(batch_, &out_).ok());
    std::vector<std::string> values;
    for (const OutputRecord& record : out_.records()) values.emplace_back(out_.Value(record));
    return values;
  }

  std::vector<std::string> Errors() const {
    std::vector<std::string> errors;
    for (const DeadLetter& dead : out_.dead_letters()) errors.push_back(dead.error);
    return errors;
  }

  std::optional<TestStage> stage_;
  std::unique_ptr<Chain> chain_;
  Batch batch_;
  OutputBatch out_;
};

TEST_F(ChainTest, EveryTruncationOfAnEventIsADeadLetter) {
  Make(ManifestWith(kSetX));
  const std::string event = R"({"a":1.5,"b":"é\n","c":[{"d":null},true],"e":{}})";
  std::vector<std::string> events;
  for (size_t size = 0; size < event.size(); ++size) events.push_back(event.substr(0, size));
  EXPECT_TRUE(Process(events).empty());
  EXPECT_EQ(out_.dead_letters().size(), event.size());
  for (const std::string& error : Errors()) EXPECT_FALSE(error.empty());
}

TEST_F(ChainTest, InvalidUtf8IsADeadLetterInAnyField) {
  Make(ManifestWith(kSetX));
  EXPECT_THAT(Process({"{\"a\":\"\xff\"}", "{\"other\":\"\xc3\x28\"}", "{\"\xed\xa0\x80\":1}",
                       "{\"a\":2}"}),
              ElementsAre(R"({"a":2,"x":2})"));
  EXPECT_THAT(Errors(), ElementsAre(HasSubstr("UTF-8"), HasSubstr("UTF-8"), HasSubstr("UTF-8")));
}

TEST_F(ChainTest, NestingTenThousandDeepIsADeadLetter) {
  Make(ManifestWith(kSetX));
  const std::string brackets =
      base::StrCat("{\"other\":", std::string(10'000, '['), std::string(10'000, ']'), "}");
  std::string braces;
  for (int i = 0; i < 10'000; ++i) braces += "{\"a\":";
  base::StrAppend(&braces, "1", std::string(10'000, '}'));
  EXPECT_THAT(Process({brackets, braces, "{}"}), ElementsAre(R"({"x":0})"));
  EXPECT_THAT(Errors(), ElementsAre(HasSubstr("deep"), HasSubstr("deep")));
}

TEST_F(ChainTest, FiftyMegabytesPassOnAndMayBeTouched) {
  Make(ManifestWith(kSetX));
  const std::string blob(50'000'000, 'x');
  const auto values =
      Process({base::StrCat("{\"a\":1,\"blob\":\"", blob, "\"}"), base::StrCat("{\"a\":\"", blob)});
  ASSERT_EQ(values.size(), 1u);
  EXPECT_TRUE(values[0] == base::StrCat("{\"a\":1,\"blob\":\"", blob, "\",\"x\":1}"));
  ASSERT_EQ(out_.dead_letters().size(), 1u);
  EXPECT_LT(Errors()[0].size(), 1000u);
}

TEST_F(ChainTest, AValueThatIsTooLargeToWriteIsADeadLetter) {
  Make(ManifestWith("      - set: [{name: q, value: a + a}]\n"));
  const std::string blob(40'000'000, 'x');
  EXPECT_THAT(Process({base::StrCat("{\"a\":\"", blob, "\"}"), R"({"a":"b"})"}),
              ElementsAre(R"({"a":"b","q":"bb"})"));
  EXPECT_EQ(Errors().size(), 1u);
}

TEST_F(ChainTest, NoNumberIsWrittenAsNull) {
  Make(ManifestWith("      - set: [{name: q, value: a / b}]\n"));
  EXPECT_THAT(Process({R"({"a":0,"b":0})", R"({"a":1,"b":0})", R"({"a":-1,"b":4})"}),
              ElementsAre(R"({"a":0,"b":0,"q":null})", R"({"a":1,"b":0,"q":null})",
                          R"({"a":-1,"b":4,"q":-0.25})"));
}

TEST_F(ChainTest, ResultsNameTheRecordsThatTheyCameFrom) {
  Make(ManifestWith("      - filter: a > 1\n"));
  EXPECT_EQ(Process({R"({"a":1})", R"({"a":2})", "{", R"({"a":3})"}).size(), 2u);
  EXPECT_EQ(out_.records()[0].source, 1);
  EXPECT_EQ(out_.records()[1].source, 3);
  EXPECT_EQ(out_.dead_letters()[0].source, 2);
  EXPECT_EQ(out_.records()[0].timestamp_ms, 1'793'606'400'000);
  // Nothing was changed: nothing is copied.
  EXPECT_EQ(out_.Value(out_.records()[0]).data(), batch_[1].value.data());
}

TEST_F(ChainTest, TookIsMicrosecondsAndCoversTheModel) {
  Make(ManifestWith(R"(      - model:
          xgboost: models/fraud/fraud.json
          inputs: [a, a, a, a, a]
      - select: [a]
)",
                    "      tookAs: took_us\n"));
  const auto values = Process({R"({"a":1})", R"({"a":2})"});
  ASSERT_EQ(values.size(), 2u);
  for (const std::string& value : values) {
    const auto event = nlohmann::json::parse(value);
    ASSERT_TRUE(event.at("took_us").is_number_integer()) << value;
    EXPECT_GT(event.at("took_us").get<int64_t>(), 0);
    EXPECT_LT(event.at("took_us").get<int64_t>(), 10'000'000);
  }
}

// In batches of every shape each event gets what it gets alone.
TEST_F(ChainTest, BatchesDoNotMixEvents) {
  Make(ManifestWith(R"(      - filter: int(id) % 7 != 0
      - set: [{name: km, value: id / 3.0}]
      - model:
          xgboost: models/fraud/fraud.json
          inputs: [amount, km, int(id) % 24, int(id) % 2 == 0, int(flag)]
      - filter: int(id) % 5 != 0
      - rules:
          rules: [{name: high, when: score > 0.005, outcome: review}]
      - model:
          xgboost: models/fraud/fraud.json
          inputs: [score, km, amount, km, km]
          as: second
)"));
  std::vector<std::string> events;
  for (int i = 0; i < 1500; ++i) {
    events.push_back(base::StrCat("{\"id\":", i, ",\"amount\":", i % 300,
                                  ".5,\"flag\":", i % 11 == 0 ? "\"x\"" : "1", "}"));
  }
  std::vector<std::string> alone;
  size_t dead = 0;
  for (const std::string& event : events) {
    for (std::string& value : Process({event})) alone.push_back(std::move(value));
    dead += out_.dead_letters().size();
  }
  EXPECT_GT(alone.size(), 800u);
  EXPECT_GT(dead, 100u);
  EXPECT_EQ(Process(events), alone);
  EXPECT_EQ(out_.dead_letters().size(), dead);
  EXPECT_EQ(out_.filtered + out_.dead_letters().size() + alone.size(), events.size());
  EXPECT_EQ(Process(events), alone);  // and again, with what the first left in memory
}

// A checkpoint may wait for Kafka.
TEST_F(ChainTest, StateIsLookedAtInTheMiddleOfACheckpoint) {
  constexpr int kKeys = 4500;
  Make(ManifestWith("      - dedup: {by: [id], within: 1h}\n"));
  chain_->state()->Assign(0, 1);
  chain_->state()->Restored(0);
  std::vector<std::string> events;
  for (int i = 0; i < kKeys; ++i) events.push_back(base::StrCat("{\"id\":", i, "}"));
  ASSERT_EQ(Process(events).size(), size_t{kKeys});
  const auto detector = Chain::Make(stage_->context(), chain_.get());
  ASSERT_TRUE(detector.ok()) << detector.status();
  std::vector<std::future<void>> looks;  // outlive the checkpoint, which they may wait for
  size_t written = 0;
  const auto flush = [&](OutputBatch* changes) {
    looks.push_back(std::async(std::launch::async, [&] {
      OutputBatch out;
      EXPECT_TRUE(chain_->Owns(0));
      EXPECT_TRUE((*detector)->Process(batch_, &out).ok());
      EXPECT_EQ(out.filtered, uint64_t{kKeys}) << "all of them are known";
    }));
    EXPECT_EQ(looks.back().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    written += changes->records().size();
    changes->Clear();
  };
  OutputBatch changes;
  chain_->state()->Checkpoint(&changes, flush);
  EXPECT_EQ(looks.size(), 2u);
  EXPECT_EQ(written + changes.records().size(), size_t{kKeys} + 1) << "and the clock";
}

// Without a field the record's time is the event's, and that may be any number.
TEST_F(ChainTest, ARecordWhoseTimeHasNoYearIsADeadLetterAndLeavesTheStateAsItWas) {
  const std::string manifest = ManifestWith(R"(      - dedup: {by: [id], within: 1h}
      - features: {by: [id], over: [1h], set: [{name: seen, value: count()}]}
)");
  constexpr int64_t kNowMs = 1'793'606'400'000;
  std::vector<std::string> results;
  const auto process = [&](int64_t time_ms, const char* event) {
    batch_ = Batch::FromValues("in", {event}, 0, time_ms);
    out_.Clear();
    ASSERT_TRUE(chain_->Process(batch_, &out_).ok());
    for (const OutputRecord& record : out_.records()) results.emplace_back(out_.Value(record));
  };
  std::map<std::string, std::string> changelog;
  const auto begin = [&] {
    Make(manifest);
    chain_->state()->Assign(0, 1);
    std::vector<Record> records;
    for (const auto& [key, value] : changelog) {
      records.push_back({.key = key, .value = value, .has_key = true});
    }
    ASSERT_TRUE(chain_->state()->Restore(Batch("changelog", records, nullptr)).ok());
    chain_->state()->Restored(0);
  };
  begin();
  for (const int64_t before : {-1, 0}) process(before, R"({"id":"none"})");
  EXPECT_THAT(results, ElementsAre(R"({"id":"none","seen_1h":1})"))
      << "a producer that gives no time";
  results.clear();
  process(kNowMs, R"({"id":"a"})");
  for (const int64_t wrong : {kNowMs * 1'000, kNowMs * 1'000'000, kNowMs * -1'000}) {
    process(wrong, R"({"id":"b"})");
    EXPECT_THAT(Errors(), ElementsAre(base::StrCat("time of the record, ", wrong,
                                                   " ms: years go from 0001 to 9999")));
  }
  OutputBatch changes;
  chain_->state()->Checkpoint(&changes);
  for (const OutputRecord& change : changes.records()) {
    changelog[std::string(change.key)] = changes.Value(change);
  }
  begin();
  process(kNowMs + 1, R"({"id":"a"})");
  process(kNowMs + 2, R"({"id":"b"})");
  EXPECT_THAT(results, ElementsAre(R"({"id":"a","seen_1h":1})", R"({"id":"b","seen_1h":1})"));
}

TEST_F(ChainTest, AStageThatCannotBeMadeSaysWhichStep) {
  TestStage stage(ManifestWith(R"(      - filter: a > 1
      - model: {xgboost: models/fraud/none.json, inputs: [a]}
)"));
  const auto chain = Chain::Make(stage.context());
  ASSERT_FALSE(chain.ok());
  EXPECT_THAT(std::string(chain.status().message()),
              AllOf(StartsWith("step 2: model models/fraud/none.json cannot be read: "),
                    HasSubstr("No such file")));
}

}  // namespace
}  // namespace levada::scoring
