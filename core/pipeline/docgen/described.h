#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"

// The schema with its comments, from which the reference page and the CRD are made.
namespace levada::pipeline {

inline constexpr std::string_view kManifestFile = "levada/v1/pipeline.proto";
inline constexpr std::string_view kStepsFile = "levada/v1/steps.proto";
inline constexpr std::string_view kTestsFile = "levada/v1/tests.proto";
inline constexpr std::string_view kClusterFile = "levada/v1/cluster.proto";
inline constexpr std::string_view kStatusFile = "levada/v1/status.proto";
inline constexpr std::string_view kSettingsFile = "levada/v1/settings.proto";

// `descriptors` is a serialized FileDescriptorSet with source info.
absl::StatusOr<std::unique_ptr<google::protobuf::DescriptorPool>> ReadDescriptors(
    std::string_view descriptors);

// The comment above something, as one paragraph.
template <typename Described>
std::string Comment(const Described& described) {
  google::protobuf::SourceLocation location;
  if (!described.GetSourceLocation(&location)) return "";
  std::string text = absl::StrReplaceAll(location.leading_comments, {{"\n", " "}});
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

// What the comment of an enum's value says behind its name in YAML; empty where it says no more.
std::string ValueComment(const google::protobuf::EnumValueDescriptor& value);

// A map of Kubernetes' own: google.protobuf.Struct.
bool IsFreeForm(const google::protobuf::FieldDescriptor& field);

}  // namespace levada::pipeline
