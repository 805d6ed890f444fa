#pragma once

#include <cstdint>

#include "core/record/record.h"

namespace levada::runtime {

// When the events of a batch came into Levada, milliseconds since 1970, by its first record; -1
// where that is not known. A record's Kafka timestamp is the time of its arrival: stages pass it
// on, and the event's own time stays in its field.
int64_t ArrivalMs(const Batch& batch);

int64_t NowMs();

}  // namespace levada::runtime
