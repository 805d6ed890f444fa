#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace levada::cli {

// Path of a service's program: in `folder`, or beside this program. NotFound says where it was
// looked for, or that what is there cannot be executed.
absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view folder);

// NotFound with a line for each of these programs that cannot be started.
absl::Status CheckPrograms(const std::set<std::string>& names, std::string_view folder);

}  // namespace levada::cli
