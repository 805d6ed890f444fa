#include "core/pipeline/docgen/described.h"

#include "absl/status/status.h"
#include "core/base/strings.h"
#include "core/pipeline/rules.h"
#include "google/protobuf/descriptor.pb.h"

namespace levada::pipeline {

using google::protobuf::DescriptorPool;

absl::StatusOr<std::unique_ptr<DescriptorPool>> ReadDescriptors(std::string_view descriptors) {
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromArray(descriptors.data(), static_cast<int>(descriptors.size()))) {
    return absl::InvalidArgumentError("not a FileDescriptorSet");
  }
  auto pool = std::make_unique<DescriptorPool>();
  for (const auto& file : files.file()) {
    if (pool->BuildFile(file) == nullptr) {
      return absl::InvalidArgumentError(base::StrCat("cannot use ", file.name()));
    }
  }
  for (const std::string_view name :
       {kManifestFile, kStepsFile, kTestsFile, kClusterFile, kStatusFile, kSettingsFile}) {
    if (pool->FindFileByName(std::string(name)) == nullptr) {
      return absl::NotFoundError(base::StrCat("there is no ", name));
    }
  }
  return pool;
}

std::string ValueComment(const google::protobuf::EnumValueDescriptor& value) {
  const std::string comment = Comment(value);
  const std::string name = YamlName(value);
  if (comment == name) return "";
  return comment.starts_with(name + ": ") ? comment.substr(name.size() + 2) : comment;
}

bool IsFreeForm(const google::protobuf::FieldDescriptor& field) {
  return field.message_type() != nullptr &&
         field.message_type()->full_name() == "google.protobuf.Struct";
}

}  // namespace levada::pipeline
