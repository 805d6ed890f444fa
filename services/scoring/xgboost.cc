#include "services/scoring/xgboost.h"

#include <openssl/sha.h>
#include <xgboost/c_api.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "core/base/strings.h"

namespace levada::scoring {
namespace {

using nlohmann::json;

constexpr size_t kMaxModelBytes = 1ull << 30;
// Rows a call; enough to use the caches, little enough to stay in them.
constexpr size_t kChunkRows = 512;

absl::Status LibraryError(std::string_view what) {
  return absl::InternalError(base::StrCat(what, ": ", XGBGetLastError()));
}

int LibraryMajor() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  return major;
}

std::string VersionOf(const std::string& path, const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  const std::string hex = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
  return base::StrCat(std::filesystem::path(path).filename().string(), "@", hex.substr(0, 12));
}

// What the file says of itself.
struct Description {
  int major = 0;
  std::string version;
  int64_t features = 0;
  int64_t classes = 0;
  std::string base_score;
  std::string booster;
};

int64_t Number(const json& node, const char* key) {
  int64_t number = 0;
  if (!node.contains(key)) return 0;
  const json& value = node.at(key);
  if (value.is_number_integer()) return value.get<int64_t>();
  return value.is_string() && absl::SimpleAtoi(value.get<std::string>(), &number) ? number : -1;
}

// JSON, or UBJSON, which also begins with a brace but never with `{"` or `{` and white space.
json Parse(const std::string& bytes) {
  const bool text = bytes.size() > 1 && bytes[0] == '{' &&
                    (bytes[1] == '"' || bytes[1] == '\n' || bytes[1] == ' ' || bytes[1] == '\r');
  return text ? json::parse(bytes, nullptr, false) : json::from_ubjson(bytes, true, false);
}

absl::StatusOr<Description> Describe(const std::string& bytes) {
  const json root = Parse(bytes);
  if (root.is_discarded() || !root.is_object()) {
    return absl::InvalidArgumentError("is neither a JSON nor a UBJ model, or it is cut off");
  }
  Description description;
  // Third-party exceptions end here: a missing key or a wrong type is a damaged file.
  try {
    const json& version = root.at("version");
    description.major = version.at(0).get<int>();
    description.version = base::StrCat(version.at(0).get<int>(), ".", version.at(1).get<int>(), ".",
                                       version.at(2).get<int>());
    const json& learner = root.at("learner");
    const json& parameters = learner.at("learner_model_param");
    description.features = Number(parameters, "num_feature");
    description.classes = Number(parameters, "num_class");
    description.base_score = parameters.at("base_score").get<std::string>();
    description.booster = learner.at("gradient_booster").at("name").get<std::string>();
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(base::StrCat("is no complete XGBoost model: ", error.what()));
  }
  return description;
}

absl::Status Accept(const Description& model, int features) {
  if (model.major > LibraryMajor()) {
    return absl::InvalidArgumentError(base::StrCat(
        "was written by XGBoost ", model.version, "; this build reads files up to version ",
        LibraryMajor(), ".x and would misread it: save it with XGBoost ", LibraryMajor(), ".7"));
  }
  double base_score = 0;
  if (!absl::SimpleAtod(model.base_score, &base_score)) {
    return absl::InvalidArgumentError(base::StrCat("has base_score ", model.base_score,
                                                   ", which this build would misread: save it with "
                                                   "XGBoost ",
                                                   LibraryMajor(), ".7"));
  }
  if (model.features != features) {
    return absl::InvalidArgumentError(
        base::StrCat("has ", model.features, " features; the step gives it ", features, " inputs"));
  }
  if (model.classes > 1) {
    return absl::InvalidArgumentError(
        base::StrCat("predicts ", model.classes, " classes; one output is expected"));
  }
  return absl::OkStatus();
}

class XgboostModelImpl : public XgboostModel {
 public:
  XgboostModelImpl(BoosterHandle booster, int features, std::string version)
      : booster_(booster), features_(features), version_(std::move(version)) {}
  ~XgboostModelImpl() override { XGBoosterFree(booster_); }

  absl::Status Predict(const float* inputs, size_t rows, std::vector<float>* scores) override {
    scores->clear();
    for (size_t at = 0; at < rows; at += kChunkRows) {
      const size_t count = std::min(kChunkRows, rows - at);
      absl::Status status = PredictChunk(inputs + at * features_, count, scores);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::string& version() const override { return version_; }

 private:
  absl::Status PredictChunk(const float* inputs, size_t rows, std::vector<float>* scores) {
    const std::string values =
        base::StrCat("{\"data\":[", reinterpret_cast<uintptr_t>(inputs), ",true],\"shape\":[", rows,
                     ",", features_, "],\"typestr\":\"<f4\",\"version\":3}");
    static constexpr char kConfig[] =
        R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,)"
        R"("strict_shape":false,"missing":NaN,"cache_id":0})";
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* result = nullptr;
    if (XGBoosterPredictFromDense(booster_, values.c_str(), kConfig, nullptr, &shape, &dimensions,
                                  &result) != 0) {
      return LibraryError("predicting");
    }
    bst_ulong count = 1;
    for (bst_ulong i = 0; i < dimensions; ++i) count *= shape[i];
    if (count != rows) {
      return absl::InternalError(
          base::StrCat("the model gave ", count, " predictions for ", rows, " events"));
    }
    scores->insert(scores->end(), result, result + rows);
    return absl::OkStatus();
  }

  BoosterHandle booster_;
  const size_t features_;
  const std::string version_;
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::InvalidArgumentError(base::StrCat("cannot be read: ", error.message()));
  if (size > kMaxModelBytes) return absl::InvalidArgumentError("is larger than 1 GiB");
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  if (!in) return absl::InvalidArgumentError("cannot be read");
  return std::move(bytes).str();
}

absl::StatusOr<BoosterHandle> MakeBooster(const std::string& bytes) {
  BoosterHandle booster = nullptr;
  if (XGBoosterCreate(nullptr, 0, &booster) != 0) return LibraryError("XGBoost");
  // One thread: stages scale by workers, and threads that wait for each other cost more than they
  // bring for a batch.
  if (XGBoosterSetParam(booster, "nthread", "1") != 0 ||
      XGBoosterLoadModelFromBuffer(booster, bytes.data(), bytes.size()) != 0) {
    absl::Status status = LibraryError("cannot be loaded");
    XGBoosterFree(booster);
    return status;
  }
  return booster;
}

}  // namespace

absl::StatusOr<std::unique_ptr<XgboostModel>> XgboostModel::Load(const std::string& path,
                                                                 int features) {
  const auto name = [&path](const absl::Status& status) {
    return absl::InvalidArgumentError(base::StrCat("model ", path, " ", status.message()));
  };
  absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return name(bytes.status());
  absl::StatusOr<Description> description = Describe(*bytes);
  if (!description.ok()) return name(description.status());
  if (absl::Status status = Accept(*description, features); !status.ok()) return name(status);
  absl::StatusOr<BoosterHandle> booster = MakeBooster(*bytes);
  if (!booster.ok()) return name(booster.status());
  return std::make_unique<XgboostModelImpl>(*booster, features, VersionOf(path, *bytes));
}

}  // namespace levada::scoring
