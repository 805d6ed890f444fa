#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "levada/v1/pipeline.pb.h"

// Stages whose steps remember by other keys than the topic's. Events of one key must come to one
// worker, so such a stage becomes several: the first keeps its name, reads the stage's topic and
// writes to a topic by the new key; the next reads that.
//
//   detect: transactions (by entity_id) ─► features by card_id
//     ⇒  detect:            transactions ─► levada.default.fraud.detect-by-card-id.input
//        detect-by-card-id: …detect-by-card-id.input (by card_id) ─► features ─► …
//
// A step is at home in a topic when everything that the topic's records are partitioned by is among
// what the step tells events apart by: events of one key are then in one partition.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

struct Expanded {
  v1::Pipeline pipeline;
  // Names of the topics between the parts of a stage.
  std::vector<std::string> repartition_topics;
  // Part → the stage as the manifest names it; only for parts behind the first.
  std::map<std::string, std::string> part_of;
};

// Whether the records that a stage writes to `to` say when they happened by the field that the
// stage itself went by at its end (the fields of `from`, or of its last window), unchanged.
bool KeepsTime(const v1::Scoring& scoring, const v1::Topic* from, const v1::Topic* to);

Expanded Expand(const v1::Pipeline& pipeline);

// "features" for a step with that; empty for none.
std::string_view StepKind(const v1::Step& step);
// Whether the step remembers events by key and partition.
bool KeepsState(const v1::Step& step);
bool KeepsState(const v1::Scoring& scoring);

}  // namespace levada::pipeline
