#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// A model that scores rows of numbers, read from a file.
//
//   auto model = LoadXgboost("fraud.json", 12);
//   std::vector<float> scores;
//   (*model)->Predict(inputs.data(), rows, &scores);      // rows × 12 values, NaN: missing
//
// Threads: one at a time.
namespace levada::scoring {

class Model {
 public:
  virtual ~Model() = default;

  // Row-major `rows` × inputs; one prediction a row.
  virtual absl::Status Predict(const float* inputs, size_t rows, std::vector<float>* scores) = 0;
  // File name and the first 12 hexadecimal digits of the file's SHA-256: fraud.json@3fa1b2c4d5e6.
  const std::string& version() const { return version_; }

 protected:
  explicit Model(std::string version) : version_(std::move(version)) {}

 private:
  const std::string version_;
};

// A gradient-boosted tree model (JSON or UBJ), through the XGBoost library; a prediction is a
// probability for binary:logistic. InvalidArgument, with what to do about it, for what cannot be
// used: damaged files, another number of features, several outputs a row.
absl::StatusOr<std::unique_ptr<Model>> LoadXgboost(const std::string& path, int inputs);

// An ONNX model, through ONNX Runtime. It has one input, float32 of any number of rows × inputs.
// The prediction is its first output of fractions (else of whole numbers): one a row, or two, of
// which the second is taken (the probability of the class that a classifier is to find).
// InvalidArgument for what is otherwise.
absl::StatusOr<std::unique_ptr<Model>> LoadOnnx(const std::string& path, int inputs);

// For those who load: InvalidArgument where it cannot be read or is too large.
absl::StatusOr<std::string> ReadModel(const std::string& path);
std::string ModelVersion(const std::string& path, std::string_view bytes);
// "model fraud.json is …"
absl::Status ModelError(const std::string& path, std::string_view what);

}  // namespace levada::scoring
