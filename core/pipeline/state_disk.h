#pragma once

#include <cstdint>

#include "levada/v1/pipeline.pb.h"

// How much of its node's disk a worker's files of state may take on a cluster.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// `state.memory` in bytes, also where the default is not applied.
int64_t StateMemoryBytes(const v1::State& state);

// `state.disk`; where that is not given, four times the memory and at least 10 GiB.
int64_t StateDiskBytes(const v1::State& state);

}  // namespace levada::pipeline
