#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/kafka/topics.h"
#include "core/pipeline/plan.h"

// What is to be done for a pipeline's topics, and what is said of them.
//
//   Decision decision = Decide({.plan = plan, .managed = managed, ...}, live);
//   kafka::Apply(decision.changes, &admin);
//   // decision.rows: status.topics; decision.reason and message: the condition TopicsReady
//
// Whose a topic is: Kafka's topics have no labels, so the pipeline's status says it (`managed`). It
// is written there before the topic is made: an operator that ends in between finds its own topic
// again. Then, for a topic that
//   is not there          it is made, and managed from then on
//   is managed            partitions are added and settings put right; what is not named gets the
//                         cluster's default, `unmanaged` settings are left alone
//   another pipeline's    left alone; that it should be otherwise is a condition, not a fight
//   somebody else's       used as it is, unless `adopt: true`
// It is never deleted here and never loses partitions. One whose keys must stay in their partitions
// grows only to a number that the annotation `levada.dev/accept-repartition: topic=partitions`
// accepts.
//
// Thread-safety: pure functions.
namespace levada::topics {

inline constexpr char kAcceptRepartition[] = "levada.dev/accept-repartition";

// Another pipeline that manages the topic.
struct Owner {
  std::string pipeline;  // namespace/name
};

struct Input {
  const pipeline::Plan& plan;
  std::set<std::string> managed;        // topics, by the pipeline's status
  std::map<std::string, Owner> owners;  // topics of other pipelines
  std::map<std::string, int> accepted;  // of the annotation
};

struct Row {
  std::string name;
  pipeline::PlannedTopic::Role role = pipeline::PlannedTopic::Role::kDeclared;
  int partitions = 0;
  bool ready = false;
  bool managed = false;
  std::string message;

  bool operator==(const Row&) const = default;
};

struct Decision {
  // First the rows are written to the status: topics among them are going to be made.
  bool claims = false;
  std::vector<kafka::TopicChange> changes;  // none with `claims`
  std::vector<Row> rows;                    // as they are once the changes are made
  bool ready = false;                       // the condition TopicsReady
  std::string reason;
  std::string message;
};

Decision Decide(const Input& input, const std::map<std::string, kafka::TopicState>& live);

// "transactions=12, orders=6"; what cannot be read is left out.
std::map<std::string, int> ParseAccepted(std::string_view annotation);

// Why keys of this topic must not move to other partitions; empty: they may.
std::string KeysStay(const pipeline::Plan& plan, const pipeline::PlannedTopic& topic);

// Topics that go with the pipeline: those that it manages and no other one declares.
std::vector<std::string> ToDelete(const std::set<std::string>& managed,
                                  const std::set<std::string>& declared_by_others);

// Makes the condition of the rows: ready, reason and message.
void Conclude(Decision* decision);

// As `status.topics[].role` has it: "DeadLetters".
std::string_view RoleName(pipeline::PlannedTopic::Role role);

}  // namespace levada::topics
