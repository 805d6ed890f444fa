#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace levada::scoring {

// What the detector says to an event.
struct Answer {
  bool kept = false;                // false: a filter dropped it
  std::string event;                // as the stage would send it on
  std::vector<std::string> topics;  // where to
  int64_t micros = 0;
};

using Done = std::function<void(absl::StatusOr<Answer>)>;

}  // namespace levada::scoring
