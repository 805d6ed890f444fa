#include <gmock/gmock.h>
#include <xgboost/c_api.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "services/scoring/model.h"

namespace levada::scoring {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr char kFraud[] = "models/fraud/fraud.json";
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

class XgboostTest : public testing::Test {
 protected:
  // A file of this test's own.
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = testing::TempDir() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    files_.push_back(path);
    return path;
  }
  ~XgboostTest() override {
    for (const std::string& file : files_) std::filesystem::remove(file);
  }

  static std::string Refusal(const std::string& path, int features = 5) {
    const auto model = LoadXgboost(path, features);
    EXPECT_FALSE(model.ok());
    return std::string(model.status().message());
  }

 private:
  std::vector<std::string> files_;
};

std::vector<json> Expected() {
  std::vector<json> rows;
  std::ifstream file("models/fraud/expected.jsonl");
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

void ExpectScores(Model& model) {
  std::vector<float> inputs;
  const std::vector<json> rows = Expected();
  ASSERT_GE(rows.size(), 5u);
  for (const json& row : rows) {
    for (const json& input : row.at("inputs")) inputs.push_back(input.get<float>());
  }
  std::vector<float> scores;
  ASSERT_TRUE(model.Predict(inputs.data(), rows.size(), &scores).ok());
  ASSERT_EQ(scores.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(scores[i], rows[i].at("probability").get<double>(), 1e-6) << rows[i];
  }
}

TEST_F(XgboostTest, GivesWhatThePythonLibraryGave) {
  const auto model = LoadXgboost(kFraud, 5);
  ASSERT_TRUE(model.ok()) << model.status();
  ExpectScores(**model);
  EXPECT_EQ((*model)->version(), "fraud.json@f30c7c340096");
}

TEST_F(XgboostTest, UbjGivesTheSame) {
  BoosterHandle booster = nullptr;
  ASSERT_EQ(XGBoosterCreate(nullptr, 0, &booster), 0);
  ASSERT_EQ(XGBoosterLoadModel(booster, kFraud), 0);
  bst_ulong size = 0;
  const char* bytes = nullptr;
  ASSERT_EQ(XGBoosterSaveModelToBuffer(booster, R"({"format":"ubj"})", &size, &bytes), 0);
  const std::string ubj(bytes, size);
  XGBoosterFree(booster);

  const auto model = LoadXgboost(Write("fraud.ubj", ubj), 5);
  ASSERT_TRUE(model.ok()) << model.status();
  ExpectScores(**model);
  EXPECT_THAT((*model)->version(), MatchesRegex("fraud\\.ubj@[0-9a-f]{12}"));
  EXPECT_THAT(Refusal(Write("cut.ubj", ubj.substr(0, ubj.size() / 2))), HasSubstr("cut off"));
}

// Files of testdata/models, each with the scores that the library which wrote it gave (train.py).
class XgboostGenerations : public testing::TestWithParam<std::string> {};

TEST_P(XgboostGenerations, ScoresAreTheLibrarysOwn) {
  const std::string folder = "services/scoring/testdata/models/";
  const json file = json::parse(std::ifstream(folder + GetParam() + ".json"));
  std::vector<float> inputs;
  for (const json& row : file.at("inputs")) {
    for (const json& input : row) inputs.push_back(input.is_null() ? kMissing : input.get<float>());
  }
  const size_t rows = inputs.size() / 4;
  ASSERT_EQ(rows, 24u);
  ASSERT_GE(file.at("models").size(), 3u);
  for (const json& entry : file.at("models")) {
    const std::string name = entry.at("file").get<std::string>();
    const auto model = LoadXgboost(folder + name, 4);
    ASSERT_TRUE(model.ok()) << model.status();
    std::vector<float> scores;
    ASSERT_TRUE((*model)->Predict(inputs.data(), rows, &scores).ok()) << name;
    ASSERT_EQ(scores.size(), rows);
    for (size_t row = 0; row < rows; ++row) {
      const double expected = entry.at("scores")[row].get<double>();
      EXPECT_NEAR(scores[row], expected, 1e-6 * std::max(1.0, std::abs(expected)))
          << name << " row " << row;
    }
  }
  const auto classes = LoadXgboost(folder + GetParam() + "-classes.json", 4);
  EXPECT_THAT(std::string(classes.status().message()), HasSubstr("predicts 3 classes"));
}

INSTANTIATE_TEST_SUITE_P(All, XgboostGenerations,
                         testing::Values("1.0.2", "1.3.3", "1.7.6", "2.1.4", "3.0.5", "3.2.0"),
                         [](const auto& info) {
                           std::string name = "v" + info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_F(XgboostTest, AFileThatWasReformattedGivesTheSame) {
  const std::string pretty = json::parse(std::ifstream(kFraud)).dump(2);
  const auto model = LoadXgboost(Write("pretty.json", pretty), 5);
  ASSERT_TRUE(model.ok()) << model.status();
  ExpectScores(**model);
}

TEST_F(XgboostTest, AnyInputHasAScore) {
  const auto model = LoadXgboost(kFraud, 5);
  ASSERT_TRUE(model.ok());
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> inputs = {kMissing, kMissing,  kMissing, kMissing, kMissing,  //
                                     infinite, -infinite, 0,        0,        0,         //
                                     -1e38f,   1e38f,     -1,       2,        1e-45f};
  std::vector<float> scores;
  ASSERT_TRUE((*model)->Predict(inputs.data(), 3, &scores).ok());
  for (const float score : scores) EXPECT_TRUE(score > 0 && score < 1) << score;
  ASSERT_TRUE((*model)->Predict(inputs.data(), 0, &scores).ok());
  EXPECT_TRUE(scores.empty());
}

TEST_F(XgboostTest, ManyRowsAreScoredAsOne) {
  const auto model = LoadXgboost(kFraud, 5);
  ASSERT_TRUE(model.ok());
  std::vector<float> inputs;
  for (int i = 0; i < 5 * 4777; ++i) inputs.push_back(static_cast<float>((i * 7919) % 400));
  std::vector<float> all;
  std::vector<float> one;
  ASSERT_TRUE((*model)->Predict(inputs.data(), 4777, &all).ok());
  ASSERT_EQ(all.size(), 4777u);
  for (size_t row = 0; row < all.size(); row += 37) {
    ASSERT_TRUE((*model)->Predict(inputs.data() + row * 5, 1, &one).ok());
    EXPECT_EQ(all[row], one[0]) << row;
  }
}

TEST_F(XgboostTest, RefusesWhatItCannotUseAndNamesTheFile) {
  const std::string text = json::parse(std::ifstream(kFraud)).dump();
  EXPECT_THAT(Refusal("models/fraud/none.json"),
              AllOf(HasSubstr("models/fraud/none.json"), HasSubstr("No such file")));
  EXPECT_THAT(Refusal("models/fraud"), HasSubstr("model models/fraud "));
  EXPECT_THAT(Refusal(Write("cut.json", text.substr(0, text.size() / 2))),
              AllOf(HasSubstr("cut.json"), HasSubstr("cut off")));
  EXPECT_THAT(Refusal("models/fraud/README.md"), HasSubstr("neither a JSON nor a UBJ model"));
  EXPECT_THAT(Refusal(kFraud, 6), HasSubstr("has 5 features; the step gives it 6 inputs"));
}

TEST_F(XgboostTest, WhatOnlyTheLibraryKnowsIsRefusedWhenTheModelIsLoaded) {
  json model = json::parse(std::ifstream(kFraud));
  model["learner"]["objective"]["name"] = "binary:nonsense";
  EXPECT_THAT(Refusal(Write("objective.json", model.dump())),
              AllOf(HasSubstr("objective.json"), HasSubstr("binary:nonsense")));
}

}  // namespace
}  // namespace levada::scoring
