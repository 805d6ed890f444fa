#include "services/scoring/model_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace levada::scoring {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const json& Fraud() {
  static const json model = json::parse(std::ifstream("models/fraud/fraud.json"));
  return model;
}

json& Parameters(json& model) { return model["learner"]["learner_model_param"]; }
json& Trees(json& model) { return model["learner"]["gradient_booster"]["model"]["trees"]; }

// What a step with five inputs, on a library of version 1, is told of it; "" where it is taken.
std::string ToldBytes(const std::string& bytes) {
  const absl::StatusOr<ModelFile> model = ReadModelFile(bytes);
  const absl::Status status = model.ok() ? Accept(*model, 5, 1) : model.status();
  return std::string(status.message());
}
std::string Told(const json& model) { return ToldBytes(model.dump()); }

// The model in UBJSON as XGBoost writes it: lists of numbers are typed and counted.
std::string Ubj(const json& model) {
  const std::vector<uint8_t> bytes = json::to_ubjson(model, /*use_count=*/true, /*use_type=*/true);
  return {bytes.begin(), bytes.end()};
}

TEST(ModelFileTest, ReadsWhatTheFileSays) {
  for (const std::string& bytes : {Fraud().dump(), Fraud().dump(1), Ubj(Fraud())}) {
    const auto model = ReadModelFile(bytes);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->major, 1);
    EXPECT_EQ(model->version, "1.7.6");
    EXPECT_EQ(model->booster, "gbtree");
    EXPECT_EQ(model->base_score, "5E-1");
    EXPECT_EQ(model->features, 5);
    EXPECT_EQ(model->classes, 0);
    EXPECT_EQ(model->targets, 1);
    EXPECT_EQ(model->trees, 60);
    EXPECT_EQ(model->largest_output, 0);
    EXPECT_TRUE(Accept(*model, 5, 1).ok());
  }
}

TEST(ModelFileTest, TreesOfADartModelAreFound) {
  json model = Fraud();
  json& booster = model["learner"]["gradient_booster"];
  booster = {{"name", "dart"}, {"gbtree", booster}};
  EXPECT_EQ(Told(model), "");
  booster["gbtree"]["model"]["trees"][3]["left_children"][0] = 1'000'000;
  EXPECT_THAT(Told(model), HasSubstr("damaged tree, number 4"));
}

TEST(ModelFileTest, WhatIsNoModelIsTold) {
  EXPECT_THAT(ToldBytes(""), HasSubstr("neither a JSON nor a UBJ model"));
  EXPECT_THAT(ToldBytes("binf\x01\x02"), HasSubstr("neither a JSON nor a UBJ model"));
  EXPECT_THAT(ToldBytes("{}"), HasSubstr("no XGBoost model"));
  EXPECT_THAT(ToldBytes(R"({"version":[1,7,4]})"), HasSubstr("learner_model_param"));
  EXPECT_THAT(ToldBytes(R"({"version":"1.7.4"})"), HasSubstr("no `version`"));
  EXPECT_THAT(ToldBytes(R"([1])"), HasSubstr("is "));
}

TEST(ModelFileTest, EveryTruncationIsTold) {
  json small = Fraud();
  Trees(small).erase(Trees(small).begin() + 2, Trees(small).end());
  for (const std::string& bytes : {small.dump(), Ubj(small)}) {
    ASSERT_EQ(ToldBytes(bytes), "");
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 100) {
      EXPECT_NE(ToldBytes(bytes.substr(0, size)), "") << size << " of " << bytes.size();
    }
    EXPECT_NE(ToldBytes(bytes.substr(0, bytes.size() - 1)), "");
  }
}

TEST(ModelFileTest, AModelOfALaterVersionIsRefusedWithWhatToDo) {
  json model = Fraud();
  model["version"] = {3, 0, 2};
  EXPECT_THAT(Told(model), AllOf(HasSubstr("XGBoost 3.0.2"), HasSubstr("might misread it"),
                                 HasSubstr("save it with XGBoost 1 ")));
}

TEST(ModelFileTest, TheBaseScoreIsOneNumber) {
  json model = Fraud();
  Parameters(model)["base_score"] = "[5E-1]";
  EXPECT_EQ(Told(model), "");
  for (const char* score : {"nan", "[5E-1,2E-1]", "[]", "", "x"}) {
    Parameters(model)["base_score"] = score;
    EXPECT_THAT(Told(model), HasSubstr(std::string("base_score ") + score + "; one number"));
  }
}

TEST(ModelFileTest, WhatDoesNotFitTheStepIsRefused) {
  const auto model = ReadModelFile(Fraud().dump());
  ASSERT_TRUE(model.ok());
  EXPECT_THAT(std::string(Accept(*model, 4, 1).message()),
              HasSubstr("has 5 features; the step gives it 4 inputs"));

  json classes = Fraud();
  Parameters(classes)["num_class"] = "3";
  EXPECT_THAT(Told(classes), HasSubstr("3 classes"));
  json targets = Fraud();
  Parameters(targets)["num_target"] = "2";
  EXPECT_THAT(Told(targets), HasSubstr("several targets"));
  json outputs = Fraud();
  outputs["learner"]["gradient_booster"]["model"]["tree_info"][7] = 1;
  EXPECT_THAT(Told(outputs), HasSubstr("several targets"));
  json linear = Fraud();
  linear["learner"]["gradient_booster"] = {{"name", "gblinear"}, {"model", {{"weights", {1, 2}}}}};
  EXPECT_THAT(Told(linear), HasSubstr("'gblinear'"));
  json empty = Fraud();
  Trees(empty) = json::array();
  EXPECT_THAT(Told(empty), HasSubstr("no trees"));
}

TEST(ModelFileTest, DamagedTreesAreRefused) {
  const auto damaged = [](const auto& damage) {
    json model = Fraud();
    damage(Trees(model)[1]);
    return Told(model);
  };
  const auto told = HasSubstr("damaged tree, number 2");
  EXPECT_THAT(damaged([](json& tree) { tree["left_children"][0] = 99; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["right_children"][0] = -7; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["right_children"][0] = 0; }), told);  // for ever
  EXPECT_THAT(damaged([](json& tree) { tree["left_children"][0] = tree["right_children"][0]; }),
              told);
  EXPECT_THAT(damaged([](json& tree) { tree["left_children"].erase(0); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["split_indices"].push_back(1); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["tree_param"]["num_nodes"] = "1000000000"; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree.erase("left_children"); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["split_indices"][0] = -3; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["split_indices"][0] = 5; }),
              HasSubstr("asks for feature 5 of 5"));
  EXPECT_THAT(damaged([](json& tree) { tree["left_children"][0] = 1.5; }), HasSubstr("fraction"));
}

// As XGBoost 1.7 writes splits by categories.
TEST(ModelFileTest, NaNIsANumberOutsideTexts) {
  std::string text = Fraud().dump();
  const std::string before = "\"split_conditions\":[";
  const size_t at = text.find(before) + before.size();
  text.replace(at, text.find(',', at) - at, "-Infinity");
  EXPECT_EQ(ToldBytes(text), "");
  text.replace(at, 9, "NaN");
  EXPECT_EQ(ToldBytes(text), "");
  text.replace(at, 3, "NaM");
  EXPECT_THAT(ToldBytes(text), HasSubstr("neither a JSON nor a UBJ model"));
  json model = Fraud();
  Parameters(model)["base_score"] = "\\\"NaN";
  EXPECT_THAT(Told(model), HasSubstr("NaN; one number"));
}

// The library trusts where the categories of a split are said to be.
TEST(ModelFileTest, DamagedCategoriesAreRefused) {
  const json whole =
      json::parse(std::ifstream("services/scoring/testdata/models/3.2.0-categorical.json"));
  const auto damaged = [&](const auto& damage) {
    json model = whole;
    damage(Trees(model)[0]);
    const auto read = ReadModelFile(model.dump());
    return read.ok() ? std::string(Accept(*read, 4, 3).message())
                     : std::string(read.status().message());
  };
  const auto told = HasSubstr("damaged tree, number 1");
  EXPECT_EQ(damaged([](json&) {}), "");
  EXPECT_THAT(damaged([](json& tree) { tree["categories_segments"][1] = 1'000'000; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_segments"][0] = -1; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_sizes"][1] = 1'000'000; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_sizes"][0] = 0; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_sizes"].erase(0); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_nodes"][1] = 1000; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories_nodes"][1] = 0; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories"][0] = -1; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories"][0] = 1 << 24; }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["categories"].erase(0); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["split_type"].erase(0); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["split_conditions"].push_back(1.5); }), told);
  EXPECT_THAT(damaged([](json& tree) { tree["default_left"] = json::array(); }), told);
}

// A few bytes of UBJSON can ask for any amount of memory or of the stack.
TEST(ModelFileTest, SmallFilesCannotTakeMuchMemory) {
  const std::string nulls("{L\0\0\0\0\0\0\0\1a[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff", 26);
  EXPECT_THAT(ToldBytes(nulls), HasSubstr("more values than bytes"));
  EXPECT_THAT(ToldBytes("{i\1a" + std::string(1'000'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(ToldBytes("{\"a\":" + std::string(1'000'000, '[')), HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace levada::scoring
