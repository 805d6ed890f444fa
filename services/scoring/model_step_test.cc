// The step `model` whose file changes while events come.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using testing::HasSubstr;

const std::filesystem::path kModels = "services/scoring/testdata/models";

class ModelStepTest : public testing::Test {
 protected:
  ModelStepTest() {
    folder_ = std::filesystem::absolute(testing::TempDir()) / "model-step";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ModelStepTest() override { std::filesystem::remove_all(folder_); }

  // As a deployment does it: a new file takes the place of the old one.
  void Replace(const std::filesystem::path& with) {
    std::filesystem::copy_file(with, folder_ / "new");
    std::filesystem::rename(folder_ / "new", file());
  }
  std::filesystem::path file() const { return folder_ / "model.json"; }

  std::string Manifest() const {
    return ManifestWith(base::StrCat("      - model: {xgboost: ", file().string(),
                                     ", inputs: [a, b, c, d], versionAs: version}\n"));
  }

 private:
  std::filesystem::path folder_;
};

double Reloads(TestStage& stage, const std::string& result) {
  for (const auto& family : const_cast<prometheus::Registry&>(stage.context().registry).Collect()) {
    if (family.name != "levada_scoring_model_reloads_total") continue;
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) {
        if (label.name == "result" && label.value == result) return metric.counter.value;
      }
    }
  }
  return -1;
}

// What follows `"name":` in an event, up to the next comma or brace.
std::string Text(std::string_view event, std::string_view name) {
  const size_t at = event.find(base::StrCat("\"", name, "\":"));
  if (at == std::string_view::npos) return "";
  const size_t begin = at + name.size() + 3;
  return std::string(event.substr(begin, event.find_first_of(",}", begin) - begin));
}

TEST_F(ModelStepTest, TheFileIsReplacedUnderLoadAndNoEventIsLost) {
  Replace(kModels / "1.7.6-logistic.json");
  TestStage stage(Manifest());
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);

  // Two models take turns, with one between them that is broken.
  std::atomic<bool> ended = false;
  std::thread deployer([&] {
    for (const char* name : {"3.2.0-regression.json", "train.py", "1.7.6-logistic.json"}) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1700));
      Replace(kModels / name);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1700));
    ended = true;
  });
  std::vector<std::pair<std::string, std::string>> seen;  // versions and scores, as they change
  uint64_t sent = 0;
  uint64_t received = 0;
  while (!ended) {
    std::vector<std::string> events;
    for (int i = 0; i < 500; ++i) {
      events.push_back(base::StrCat(R"({"id":)", sent++, R"(,"a":0.5,"b":-0.25,"c":1,"d":3})"));
    }
    OutputBatch out;
    ASSERT_TRUE(chain->Process(Batch::FromValues("in", std::move(events)), &out).ok());
    EXPECT_TRUE(out.dead_letters().empty());
    std::set<std::pair<std::string, std::string>> of_batch;
    for (const OutputRecord& record : out.records()) {
      const std::string_view event = out.Value(record);
      ASSERT_EQ(Text(event, "id"), std::to_string(received++));
      of_batch.emplace(Text(event, "version"), Text(event, "score"));
    }
    // A batch is scored by one model, whose version it has.
    ASSERT_EQ(of_batch.size(), 1u);
    if (seen.empty() || seen.back() != *of_batch.begin()) seen.push_back(*of_batch.begin());
  }
  deployer.join();
  EXPECT_EQ(received, sent);
  EXPECT_GT(sent, 10'000u);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NE(seen[0].first, seen[1].first);
  EXPECT_NE(seen[0].second, seen[1].second);
  EXPECT_EQ(seen[0], seen[2]);
  EXPECT_EQ(Reloads(stage, "loaded"), 2);
  EXPECT_EQ(Reloads(stage, "failed"), 1);
}

TEST_F(ModelStepTest, WhatItBeginsWithMustBeUsable) {
  Replace(kModels / "train.py");
  TestStage stage(Manifest());
  const auto chain = Chain::Make(stage.context());
  ASSERT_FALSE(chain.ok());
  EXPECT_THAT(std::string(chain.status().message()), HasSubstr("step 1: model "));
}

}  // namespace
}  // namespace levada::scoring
