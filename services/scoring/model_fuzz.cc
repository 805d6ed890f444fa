// Any bytes as a model file: refused, or described and accepted. The XGBoost library is not asked;
// it gets what passes here.
#include <cstdint>
#include <string_view>

#include "services/scoring/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto model = levada::scoring::ReadModelFile(bytes);
  if (model.ok()) levada::scoring::Accept(*model, 4, 3).IgnoreError();
  return 0;
}
