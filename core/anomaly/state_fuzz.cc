// A detector's state: whatever is accepted can be used, and is written as it was read.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/anomaly/detector.h"

namespace levada::anomaly {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void TryState(std::string_view bytes) {
  auto detector = Detector::Parse(bytes);
  if (!detector.ok()) return;
  std::string first;
  detector->Serialize(&first);
  auto again = Detector::Parse(first);
  Require(again.ok());
  std::string second;
  again->Serialize(&second);
  Require(first == second);
  std::vector<double> row(static_cast<size_t>(detector->settings().dimensions), 1);
  for (int i = 0; i < 4; ++i) {
    row[0] = i == 3 ? std::nan("") : 10.0 * i;
    const Result& result = detector->Update(row, i * 300'000, true);
    Require(std::isfinite(result.score) && result.grade >= 0 && result.grade <= 1);
    Require(again->Update(row, i * 300'000, true).score == result.score);
  }
}

// States to begin with: random bytes are hardly ever one.
std::string Real(uint8_t kind, int rows) {
  Settings settings{.kind = static_cast<Kind>(kind % 4), .dimensions = 1 + kind / 4 % 2};
  settings.shingle = 2;
  settings.trees = 2;
  settings.samples = 8;
  settings.centroids = 8;
  auto detector = Detector::Make(settings);
  std::vector<double> row(static_cast<size_t>(settings.dimensions), 0);
  for (int i = 0; i < rows; ++i) {
    row[0] = i * 7 % 11;
    detector->Update(row, i * 3'600'000);
  }
  std::string bytes;
  detector->Serialize(&bytes);
  return bytes;
}

}  // namespace
}  // namespace levada::anomaly

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using levada::anomaly::TryState;
  TryState({reinterpret_cast<const char*>(data), size});
  if (size < 4) return 0;
  // A real state with some bytes changed as the input says.
  std::string bytes = levada::anomaly::Real(data[0], data[1]);
  for (size_t i = 2; i + 2 < size; i += 3) {
    bytes[(size_t{data[i]} << 8 | data[i + 1]) % bytes.size()] = static_cast<char>(data[i + 2]);
  }
  TryState(bytes);
  return 0;
}
