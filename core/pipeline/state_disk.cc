#include "core/pipeline/state_disk.h"

#include <algorithm>

#include "core/base/units.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

constexpr int64_t kLeastByDefault = int64_t{10} << 30;

}  // namespace

int64_t StateMemoryBytes(const v1::State& state) {
  const auto bytes = base::ParseBytes(state.memory());
  if (bytes.ok()) return *bytes;
  return *base::ParseBytes(RulesOf(*FindKey(*v1::State::descriptor(), "memory")).default_value());
}

int64_t StateDiskBytes(const v1::State& state) {
  const auto bytes = base::ParseBytes(state.disk());
  if (bytes.ok()) return *bytes;
  return std::max(4 * StateMemoryBytes(state), kLeastByDefault);
}

}  // namespace levada::pipeline
