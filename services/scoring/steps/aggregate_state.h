#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "core/aggregate/blob.h"
#include "services/scoring/state/state.h"

namespace levada::scoring {

// The state of a step whose keys' bytes are states of core/aggregate.
class AggregateState : public StepState {
 public:
  using Check = std::function<absl::Status(aggregate::Blob*)>;

  AggregateState(Slab* slab, Check check) : StepState(slab), check_(std::move(check)) {}

  bool Valid(std::string_view value) const override {
    aggregate::OwnedBlob blob;
    blob.Assign(value);
    return check_(&blob).ok();
  }

 private:
  Check check_;
};

}  // namespace levada::scoring
