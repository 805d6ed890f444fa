// Detectors go from worker to worker: what one learnt, the next one knows, to the bit.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, key: k, timestamp: t}
  - {name: out}
  stages:
  - name: score
    scoring:
      from: in
      steps:
      - anomaly: {by: [k], values: [v, w], method: METHOD, trees: 5, samples: 32}
      to: out
)";

class AnomalyStepTest : public testing::TestWithParam<std::string> {
 protected:
  AnomalyStepTest() : stage_(ReplaceMethod()) {}

  static std::string ReplaceMethod() {
    std::string manifest = kManifest;
    return manifest.replace(manifest.find("METHOD"), 6, GetParam());
  }

  // Thirty keys in turn; now and then a value is missing, and the last ones are far off.
  static std::vector<std::string> Events(int count) {
    std::vector<std::string> events;
    for (int i = 0; i < count; ++i) {
      const double v = i < count - 30 ? std::sin(i / 60.0) : 50;
      events.push_back(
          base::StrCat(R"({"k":)", i % 30, R"(,"t":)", 1'793'606'400 + 10 * i,
                       i % 17 == 3 && i < count - 30 ? "" : base::StrCat(R"(,"v":)", v), R"(,"w":)",
                       i * 7919 % 101, "}"));
    }
    return events;
  }

  // The results of one worker, which begins with what the changelog has, if there is one.
  void Work(Chain& chain, std::vector<std::string> events, std::vector<std::string>* results) {
    const Batch batch = Batch::FromValues("in", std::move(events), 0, 1'793'900'000'000);
    OutputBatch out;
    ASSERT_TRUE(chain.Process(batch, &out).ok());
    ASSERT_TRUE(out.dead_letters().empty()) << out.dead_letters()[0].error;
    for (const OutputRecord& record : out.records()) results->emplace_back(out.Value(record));
  }

  TestStage stage_;
};

TEST_P(AnomalyStepTest, KnowsWhatAWorkerBeforeHasLearnt) {
  const std::vector<std::string> events = Events(30 * 200);
  std::vector<std::string> expected;
  const std::unique_ptr<Chain> alone = stage_.MakeChain();
  ASSERT_NE(alone, nullptr);
  alone->state()->Assign(0, 1);
  alone->state()->Restored(0);
  Work(*alone, events, &expected);

  std::map<std::string, std::string> changelog;
  std::vector<std::string> results;
  for (size_t begin = 0; begin < events.size(); begin += 1500) {
    const std::unique_ptr<Chain> chain = stage_.MakeChain();
    ASSERT_NE(chain, nullptr);
    chain->state()->Assign(0, 1);
    std::vector<Record> records;
    for (const auto& [key, value] : changelog) {
      Record& record = records.emplace_back();
      record.key = key;
      record.has_key = true;
      record.value = value;
    }
    ASSERT_TRUE(chain->state()->Restore(Batch("changelog", records, nullptr)).ok());
    chain->state()->Restored(0);
    Work(*chain, {events.begin() + begin, events.begin() + begin + 1500}, &results);
    OutputBatch changes;
    chain->state()->Checkpoint(&changes);
    for (const OutputRecord& change : changes.records()) {
      changelog[std::string(change.key)] = changes.Value(change);
    }
  }
  EXPECT_EQ(results, expected);
  EXPECT_EQ(changelog.size(), 31u) << "thirty keys and the clock";
  int alarms = 0;
  for (const std::string& result : results) {
    alarms += nlohmann::json::parse(result).at("anomaly_grade").get<double>() >= 0.5 ? 1 : 0;
  }
  // Half an hour tells nothing of a day's season.
  EXPECT_EQ(alarms >= 30, GetParam() != "seasonal") << alarms;
}

INSTANTIATE_TEST_SUITE_P(All, AnomalyStepTest,
                         testing::Values("digest", "combined", "forest", "seasonal"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace levada::scoring
