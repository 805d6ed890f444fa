#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace levada::pipeline {

// The reference page of the manifest, made from the schema alone. `descriptors` is a serialized
// FileDescriptorSet of pipeline.proto and what it imports, with comments.
absl::StatusOr<std::string> ReferencePage(std::string_view descriptors);

// That of the operator's settings; what both have in common is on the page of the manifest.
absl::StatusOr<std::string> SettingsPage(std::string_view descriptors);

}  // namespace levada::pipeline
