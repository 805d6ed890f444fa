#include <xgboost/c_api.h>

#include <limits>

#include "core/base/strings.h"
#include "services/scoring/model.h"
#include "services/scoring/model_file.h"

namespace levada::scoring {
namespace {

// Rows a call. A call costs about 0.1 ms by itself, so that a batch is one.
constexpr size_t kChunkRows = 2048;

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

class XgboostModel : public Model {
 public:
  XgboostModel(BoosterHandle booster, int features, std::string version)
      : Model(std::move(version)), booster_(booster), features_(features) {}
  ~XgboostModel() override { XGBoosterFree(booster_); }

  absl::Status Predict(const float* inputs, size_t rows, std::vector<float>* scores) override {
    scores->clear();
    for (size_t at = 0; at < rows; at += kChunkRows) {
      const size_t count = std::min(kChunkRows, rows - at);
      absl::Status status = PredictChunk(inputs + at * features_, count, scores);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

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
};

absl::StatusOr<BoosterHandle> MakeBooster(const std::string& bytes) {
  BoosterHandle booster = nullptr;
  if (XGBoosterCreate(nullptr, 0, &booster) != 0) return LibraryError("XGBoost");
  // One thread: stages scale by workers, and threads that wait for each other cost more than they
  // bring for a batch.
  // What it warns of goes past the log; what it refuses is in its errors.
  if (XGBSetGlobalConfig(R"({"verbosity":0})") != 0 ||
      XGBoosterSetParam(booster, "nthread", "1") != 0 ||
      XGBoosterLoadModelFromBuffer(booster, bytes.data(), bytes.size()) != 0) {
    absl::Status status = LibraryError("cannot be loaded");
    XGBoosterFree(booster);
    return status;
  }
  return booster;
}

absl::StatusOr<std::unique_ptr<Model>> Make(const std::string& path, const std::string& bytes,
                                            int inputs) {
  absl::StatusOr<ModelFile> file = ReadModelFile(bytes);
  if (!file.ok()) return file.status();
  if (absl::Status status = Accept(*file, inputs, LibraryMajor()); !status.ok()) return status;
  absl::StatusOr<BoosterHandle> booster = MakeBooster(bytes);
  if (!booster.ok()) return booster.status();
  auto model = std::make_unique<XgboostModel>(*booster, inputs, ModelVersion(path, bytes));
  // What the library cannot predict with (an objective that it does not know) shows now and not
  // with the first batch.
  const std::vector<float> missing(inputs, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> score;
  if (absl::Status status = model->Predict(missing.data(), 1, &score); !status.ok()) return status;
  return model;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadXgboost(const std::string& path, int inputs) {
  absl::StatusOr<std::string> bytes = ReadModel(path);
  if (!bytes.ok()) return bytes.status();
  auto model = Make(path, *bytes, inputs);
  if (!model.ok()) return ModelError(path, base::View(model.status().message()));
  return model;
}

}  // namespace levada::scoring
