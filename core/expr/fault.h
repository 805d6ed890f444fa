#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace levada::expr {

struct Problem;

// What is wrong with a source, at one of its bytes.
struct Fault {
  uint32_t offset = 0;
  std::string message;
};

// InvalidArgument with all faults in the order of the source, as "line:column: message" lines;
// `problems` (may be null) gets them one by one.
absl::Status Report(std::string_view source, std::vector<Fault> faults,
                    std::vector<Problem>* problems);

}  // namespace levada::expr
