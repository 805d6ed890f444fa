#include "services/scoring/xgboost.h"

#include <openssl/sha.h>
#include <xgboost/c_api.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "absl/strings/escaping.h"
#include "core/base/strings.h"
#include "services/scoring/model_file.h"

namespace levada::scoring {
namespace {

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
  absl::StatusOr<ModelFile> file = ReadModelFile(*bytes);
  if (!file.ok()) return name(file.status());
  if (absl::Status status = Accept(*file, features, LibraryMajor()); !status.ok()) {
    return name(status);
  }
  absl::StatusOr<BoosterHandle> booster = MakeBooster(*bytes);
  if (!booster.ok()) return name(booster.status());
  auto model = std::make_unique<XgboostModelImpl>(*booster, features, VersionOf(path, *bytes));
  // What the library cannot predict with (an objective that it does not know) shows now and not
  // with the first batch.
  const std::vector<float> missing(features, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> score;
  if (absl::Status status = model->Predict(missing.data(), 1, &score); !status.ok()) {
    return name(status);
  }
  return model;
}

}  // namespace levada::scoring
