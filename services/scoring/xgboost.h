#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// A gradient-boosted tree model read from an XGBoost file (JSON or UBJ), through the XGBoost
// library.
//
//   auto model = XgboostModel::Load("fraud.json", 12);
//   std::vector<float> scores;
//   model->Predict(inputs.data(), rows, &scores);      // rows × 12 values, NaN: missing
//
// Load refuses what the library would read wrongly: files of another version's format, another
// number of features, several outputs a row, damaged files.
//
// Threads: one at a time.
namespace levada::scoring {

class XgboostModel {
 public:
  // InvalidArgument, with what to do about it, when the file cannot be used.
  static absl::StatusOr<std::unique_ptr<XgboostModel>> Load(const std::string& path, int features);
  virtual ~XgboostModel() = default;

  // Row-major `rows` × features; one prediction a row (a probability for binary:logistic).
  virtual absl::Status Predict(const float* inputs, size_t rows, std::vector<float>* scores) = 0;
  // File name and the first 12 hexadecimal digits of the file's SHA-256: fraud.json@3fa1b2c4d5e6.
  virtual const std::string& version() const = 0;
};

}  // namespace levada::scoring
