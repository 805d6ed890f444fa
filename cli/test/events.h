#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"

// The events of tests, from the manifest and from files.
//
// Thread-safety: pure functions.
namespace levada::cli {

// A whole number is one: 3, not 3.0.
nlohmann::json ToJson(const google::protobuf::Struct& event);

// Lines that are not empty, each a JSON object.
struct EventLine {
  std::string text;
  nlohmann::json event;
};
absl::StatusOr<std::vector<EventLine>> ReadEvents(const std::string& file);

}  // namespace levada::cli
