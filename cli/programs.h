#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace levada::cli {

// Path of a service's program: in `folder`, or beside this program. NotFound says where it was
// looked for.
absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view folder);

}  // namespace levada::cli
