#pragma once

#include <string>

#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "levada/v1/services.pb.h"

namespace levada::runtime {

// Who a worker is, for people and probes.
struct Identity {
  std::string pipeline;
  std::string stage;
  std::string service;
};

// What the control service answers, and what a worker leaves behind when it ends.
v1::StageStatus StatusOf(const Identity& identity, const Control& control,
                         const StageMetrics& metrics);

// As protobuf's JSON has it: lowerCamelCase names, 64-bit numbers as text.
std::string ToJson(const v1::StageStatus& status);

}  // namespace levada::runtime
