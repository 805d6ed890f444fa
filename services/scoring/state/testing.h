#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/strings.h"
#include "services/scoring/state/state.h"

// For tests of state, without the steps.
namespace levada::scoring {

// Takes any bytes but those that begin with "bad".
class AnyState : public StepState {
 public:
  using StepState::StepState;
  bool Valid(std::string_view value) const override { return !value.starts_with("bad"); }
  void Restored() override { restored = true; }
  bool restored = false;
};

// For StageState::AddStep.
inline std::unique_ptr<StepState> MakeAny(Slab* slab) { return std::make_unique<AnyState>(slab); }

// Keys of different lengths.
inline std::string KeyOf(uint64_t number) {
  return base::StrCat("key-", number * 7919, std::string(number % 40, 'x'));
}

}  // namespace levada::scoring
