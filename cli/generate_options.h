#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/generate/fraud.h"
#include "core/generate/fraud_event.h"

namespace levada::cli {

// Where something goes to.
struct Destination {
  enum class Kind : uint8_t { kNone, kFile, kHttp, kKafka };
  Kind kind = Kind::kNone;
  std::string name;  // path ("-": standard output), URL, or topic
};

struct GenerateOptions {
  generate::FraudOptions simulator;
  uint64_t count = UINT64_MAX;  // most events
  double rate = 0;              // events a second, 0: as fast as possible
  bool live = false;            // event times are now
  Destination to{Destination::Kind::kFile, "-"};
  Destination labels;        // beside the events
  bool label_field = false;  // in the events
  std::string brokers;
  generate::KeyField key = generate::KeyField::kEntityId;
  uint32_t batch = 500;  // events an HTTP request
};

// The text of `levada generate fraud --help`.
extern const std::string_view kGenerateFraudHelp;

// Reads the flags behind "generate fraud" ("--flag value" or "--flag=value"). kInvalidArgument: one
// sentence that says which flag and what it may be. No value where --help was asked for.
absl::StatusOr<std::optional<GenerateOptions>> ParseGenerateFraud(
    std::span<const std::string_view> args);

}  // namespace levada::cli
