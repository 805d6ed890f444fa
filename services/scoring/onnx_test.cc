#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "services/scoring/model.h"

namespace levada::scoring {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const std::string kFolder = "services/scoring/testdata/onnx/";

std::string Refusal(const std::string& name, int inputs = 4) {
  const auto model = LoadOnnx(kFolder + name, inputs);
  EXPECT_FALSE(model.ok()) << name;
  return std::string(model.status().message());
}

// Models with what ONNX Runtime gave in Python (train_onnx.py).
TEST(OnnxTest, GivesWhatThePythonLibraryGave) {
  const json file = json::parse(std::ifstream(kFolder + "onnx.json"));
  std::vector<float> inputs;
  for (const json& row : file.at("inputs")) {
    for (const json& input : row) inputs.push_back(input.get<float>());
  }
  ASSERT_EQ(inputs.size(), 4 * 24u);
  ASSERT_GE(file.at("models").size(), 6u);
  for (const json& entry : file.at("models")) {
    const std::string name = entry.at("file").get<std::string>();
    const auto model = LoadOnnx(kFolder + name, 4);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT((*model)->version(), testing::MatchesRegex("[a-z]+\\.onnx@[0-9a-f]{12}"));
    std::vector<float> scores;
    ASSERT_TRUE((*model)->Predict(inputs.data(), 24, &scores).ok()) << name;
    ASSERT_EQ(scores.size(), 24u);
    for (size_t row = 0; row < 24; ++row) {
      const double expected = entry.at("scores")[row].get<double>();
      EXPECT_NEAR(scores[row], expected, 1e-6 * std::max(1.0, std::abs(expected)))
          << name << " row " << row;
    }
  }
}

TEST(OnnxTest, ManyRowsAreScoredAsOne) {
  const auto model = LoadOnnx(kFolder + "forest.onnx", 4);
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<float> inputs;
  for (int i = 0; i < 4 * 1777; ++i) inputs.push_back(static_cast<float>((i * 7919) % 400) / 100);
  std::vector<float> all;
  std::vector<float> one;
  ASSERT_TRUE((*model)->Predict(inputs.data(), 1777, &all).ok());
  ASSERT_EQ(all.size(), 1777u);
  for (size_t row = 0; row < all.size(); row += 37) {
    ASSERT_TRUE((*model)->Predict(inputs.data() + row * 4, 1, &one).ok());
    EXPECT_EQ(all[row], one[0]) << row;
  }
  ASSERT_TRUE((*model)->Predict(inputs.data(), 0, &all).ok());
  EXPECT_TRUE(all.empty());
}

TEST(OnnxTest, RefusesWhatItCannotUseAndNamesTheFile) {
  EXPECT_THAT(Refusal("none.onnx"),
              AllOf(HasSubstr("testdata/onnx/none.onnx"), HasSubstr("No such file")));
  EXPECT_THAT(Refusal("onnx.json"), HasSubstr("onnx.json cannot be loaded: "));
  EXPECT_THAT(Refusal("logistic.onnx", 5), HasSubstr("has 4 features; the step gives it 5 inputs"));
  EXPECT_THAT(Refusal("zipmap.onnx"), HasSubstr("options={'zipmap': False}"));
  EXPECT_THAT(Refusal("classes.onnx"), HasSubstr("gives 9 numbers for 3 rows"));
  EXPECT_THAT(Refusal("all-rows.onnx"), HasSubstr("gives 1 numbers for 3 rows"));
  EXPECT_THAT(Refusal("double-input.onnx"), HasSubstr("an input of float64; float32 is expected"));
  EXPECT_THAT(Refusal("one-row.onnx"), HasSubstr("takes 1 rows at a time"));
  EXPECT_THAT(Refusal("two-inputs.onnx"), HasSubstr("has 2 inputs; one"));
  EXPECT_THAT(Refusal("image.onnx"), HasSubstr("an input of 4 dimensions"));
}

TEST(OnnxTest, ACutOffFileIsRefused) {
  std::ifstream in(kFolder + "forest.onnx", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  ASSERT_GT(bytes.size(), 1000u);
  const std::string path = testing::TempDir() + "/cut.onnx";
  for (const size_t size : {size_t{0}, size_t{1}, bytes.size() / 2, bytes.size() - 1}) {
    std::ofstream(path, std::ios::binary) << bytes.substr(0, size);
    EXPECT_FALSE(LoadOnnx(path, 4).ok()) << size << " bytes";
  }
}

}  // namespace
}  // namespace levada::scoring
