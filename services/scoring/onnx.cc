#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <optional>

#include "core/base/strings.h"
#include "services/scoring/model.h"

namespace levada::scoring {
namespace {

// Rows a call: what the layers of a network hold in between grows with them.
constexpr size_t kChunkRows = 512;
// Of the trial when a model is loaded: more than one, to tell rows from columns.
constexpr size_t kTrialRows = 3;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(base::AbslView(message));
}

// The library's own state, for the whole process.
Ort::Env& Environment() {
  static auto* const environment = new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "levada");
  return *environment;
}

std::string TypeName(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return "float32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      return "float64";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return "float16";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return "int64";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return "int32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING:
      return "string";
    default:
      return base::StrCat("type ", static_cast<int>(type), " of ONNX");
  }
}

absl::Status CheckInput(const Ort::Session& session, int inputs) {
  if (session.GetInputCount() != 1) {
    return Invalid(base::StrCat("has ", session.GetInputCount(),
                                " inputs; one of rows × numbers is expected"));
  }
  const Ort::TypeInfo type = session.GetInputTypeInfo(0);
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) return Invalid("has an input that is no tensor");
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  if (tensor.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    return Invalid(base::StrCat("has an input of ", TypeName(tensor.GetElementType()),
                                "; float32 is expected"));
  }
  const std::vector<int64_t> shape = tensor.GetShape();
  if (shape.size() != 2) {
    return Invalid(base::StrCat("has an input of ", shape.size(),
                                " dimensions; two (rows × numbers) are expected"));
  }
  if (shape[0] > 0) {
    return Invalid(base::StrCat("takes ", shape[0],
                                " rows at a time; any number is expected "
                                "(export it with a dynamic first dimension)"));
  }
  if (shape[1] > 0 && shape[1] != inputs) {
    return Invalid(
        base::StrCat("has ", shape[1], " features; the step gives it ", inputs, " inputs"));
  }
  return absl::OkStatus();
}

// Which output the prediction is.
absl::StatusOr<size_t> FindOutput(const Ort::Session& session) {
  std::optional<size_t> whole;
  bool maps = false;
  for (size_t i = 0; i < session.GetOutputCount(); ++i) {
    const Ort::TypeInfo type = session.GetOutputTypeInfo(i);
    maps |= type.GetONNXType() == ONNX_TYPE_SEQUENCE || type.GetONNXType() == ONNX_TYPE_MAP;
    if (type.GetONNXType() != ONNX_TYPE_TENSOR) continue;
    switch (type.GetTensorTypeAndShapeInfo().GetElementType()) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
        return i;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
        if (!whole) whole = i;
        break;
      default:
        break;
    }
  }
  // The label alone would be a quiet surprise.
  if (maps) {
    return Invalid(
        "gives its probabilities as a map (ZipMap); export it with plain ones, in skl2onnx and "
        "onnxmltools by options={'zipmap': False}");
  }
  if (!whole) return Invalid("has no output of numbers");
  return *whole;
}

template <typename T>
void Append(const Ort::Value& tensor, size_t rows, size_t columns, std::vector<float>* scores) {
  const T* const values = tensor.GetTensorData<T>();
  for (size_t row = 0; row < rows; ++row) {
    scores->push_back(static_cast<float>(values[row * columns + columns - 1]));
  }
}

class OnnxModel : public Model {
 public:
  OnnxModel(Ort::Session session, size_t output, int inputs, std::string version)
      : Model(std::move(version)),
        session_(std::move(session)),
        memory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)),
        inputs_(inputs) {
    Ort::AllocatorWithDefaultOptions allocator;
    input_name_ = session_.GetInputNameAllocated(0, allocator).get();
    output_name_ = session_.GetOutputNameAllocated(output, allocator).get();
  }

  absl::Status Predict(const float* inputs, size_t rows, std::vector<float>* scores) override {
    scores->clear();
    try {
      for (size_t at = 0; at < rows; at += kChunkRows) {
        const size_t count = std::min(kChunkRows, rows - at);
        absl::Status status = PredictChunk(inputs + at * inputs_, count, scores);
        if (!status.ok()) return status;
      }
    } catch (const std::exception& error) {
      return absl::InternalError(base::StrCat("predicting: ", error.what()));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status PredictChunk(const float* inputs, size_t rows, std::vector<float>* scores) {
    const int64_t shape[] = {static_cast<int64_t>(rows), static_cast<int64_t>(inputs_)};
    // The library reads it only.
    const Ort::Value input = Ort::Value::CreateTensor<float>(memory_, const_cast<float*>(inputs),
                                                             rows * inputs_, shape, 2);
    const char* const input_names[] = {input_name_.c_str()};
    const char* const output_names[] = {output_name_.c_str()};
    const std::vector<Ort::Value> outputs =
        session_.Run(Ort::RunOptions{nullptr}, input_names, &input, 1, output_names, 1);
    const auto tensor = outputs[0].GetTensorTypeAndShapeInfo();
    const size_t count = tensor.GetElementCount();
    const std::vector<int64_t> gave = tensor.GetShape();
    const bool by_row = !gave.empty() && gave[0] == shape[0];
    if (!by_row || (count != rows && count != 2 * rows)) {
      return Invalid(base::StrCat("gives ", count, " numbers for ", rows,
                                  " rows; one a row, or two probabilities, are expected"));
    }
    const size_t columns = count / rows;
    switch (tensor.GetElementType()) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
        Append<float>(outputs[0], rows, columns, scores);
        break;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
        Append<double>(outputs[0], rows, columns, scores);
        break;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
        Append<int64_t>(outputs[0], rows, columns, scores);
        break;
      default:
        Append<int32_t>(outputs[0], rows, columns, scores);
        break;
    }
    return absl::OkStatus();
  }

  Ort::Session session_;
  Ort::MemoryInfo memory_;
  const size_t inputs_;
  std::string input_name_;
  std::string output_name_;
};

Ort::SessionOptions Options() {
  Ort::SessionOptions options;
  // Stages scale by workers.
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  return options;
}

absl::StatusOr<std::unique_ptr<Model>> Make(const std::string& path, const std::string& bytes,
                                            int inputs) {
  Ort::Session session(Environment(), bytes.data(), bytes.size(), Options());
  if (absl::Status status = CheckInput(session, inputs); !status.ok()) return status;
  const absl::StatusOr<size_t> output = FindOutput(session);
  if (!output.ok()) return output.status();
  auto model =
      std::make_unique<OnnxModel>(std::move(session), *output, inputs, ModelVersion(path, bytes));
  // Shapes are often not said in the file: what it really takes and gives shows now.
  const std::vector<float> zeros(kTrialRows * static_cast<size_t>(inputs));
  std::vector<float> scores;
  absl::Status status = model->Predict(zeros.data(), kTrialRows, &scores);
  if (!status.ok()) return status;
  return model;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadOnnx(const std::string& path, int inputs) {
  absl::StatusOr<std::string> bytes = ReadModel(path);
  if (!bytes.ok()) return bytes.status();
  try {
    auto model = Make(path, *bytes, inputs);
    if (model.ok()) return model;
    return ModelError(path, base::View(model.status().message()));
  } catch (const std::exception& error) {
    return ModelError(path, base::StrCat("cannot be loaded: ", error.what()));
  }
}

}  // namespace levada::scoring
