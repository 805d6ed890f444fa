#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

// Pipelines and their status as the API server has them: JSON with the manifest's names.
//
//   std::string json = ToJson(status);      // {"phase":"Running","lag":12,...}
//   absl::Status read = FromJson(json, &status);
//
// Protobuf's own JSON is not that: it writes 64-bit numbers as text and enums by other names.
// A manifest that users may have written is read by ReadManifests, which takes JSON too and says
// what is wrong where.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// Fields without a value are left out; maps are sorted.
std::string ToJson(const google::protobuf::Message& message);

// Reads what ToJson writes. Keys and enum values that the schema does not have are passed over, as
// a newer version may have written them; a value of another type is InvalidArgument.
absl::Status FromJson(std::string_view json, google::protobuf::Message* message);

}  // namespace levada::pipeline
