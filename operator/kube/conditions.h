#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "operator/kube/object.h"

// Conditions as the API conventions want them: a list keyed by type, whose lastTransitionTime
// changes with the status only.
//
//   Json& conditions = status["conditions"];
//   SetCondition(&conditions, {.type = "TopicsReady", .status = "False", .reason = "KafkaAway",
//                              .message = "broker:9092 does not answer",
//                              .observed_generation = GenerationOf(pipeline)}, now_micros);
//   if (IsTrue(conditions, "Valid")) ...
//
// Threads: pure functions.
namespace levada::kube {

struct Condition {
  std::string type;
  std::string status;  // "True", "False", "Unknown"
  std::string reason;  // CamelCase, for machines
  std::string message;
  int64_t observed_generation = 0;

  bool operator==(const Condition&) const = default;
};

// Puts the condition into the list, which becomes one if it is not. True if that changed it.
// A new condition goes to the end; the order of the others stays.
bool SetCondition(Json* conditions, const Condition& condition, int64_t now_micros);
// True if there was one.
bool RemoveCondition(Json* conditions, std::string_view type);

const Json* FindCondition(const Json& conditions, std::string_view type);  // nullptr: none
bool IsTrue(const Json& conditions, std::string_view type);

}  // namespace levada::kube
