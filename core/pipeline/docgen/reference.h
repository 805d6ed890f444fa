#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace levada::pipeline {

// The reference page of the manifest, made from the schema alone. `descriptors` is a serialized
// FileDescriptorSet of pipeline.proto and what it imports, with comments.
absl::StatusOr<std::string> ReferencePage(std::string_view descriptors);

}  // namespace levada::pipeline
