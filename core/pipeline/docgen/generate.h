#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace levada::pipeline {

// The whole of a program that makes a file of the repository from the schema's descriptors:
// `PROGRAM [--check] DESCRIPTORS FILE`. Its exit code.
int GenerateFile(int argc, char** argv,
                 const std::function<absl::StatusOr<std::string>(std::string_view)>& make);

}  // namespace levada::pipeline
