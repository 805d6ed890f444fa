#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/kafka/admin.h"

// What must change for the topics to be as a plan wants them.
//
//   std::vector<TopicChange> changes = Compare(wanted, *admin.Describe(names));
//   for (const TopicChange& change : changes) std::cout << change.text << '\n';
//   Apply(changes, &admin);
//
// Topics are never deleted and never lose partitions. A compacted topic is not grown: its keys
// would move to other partitions and old values would stay behind.
//
// Thread-safety: Compare is pure; Apply as Admin.
namespace levada::kafka {

struct TopicChange {
  enum class Kind {
    kCreate,
    kGrow,
    kConfigure,
    kRefused,  // `text` says what differs and what to do; Apply leaves it alone
  };
  Kind kind = Kind::kCreate;
  NewTopic topic;    // with kConfigure: only the settings that change
  std::string text;  // for people: "create transactions: 6 partitions, retention.ms=604800000"
  std::vector<std::string> resets;  // kConfigure: settings that get the cluster's default again
};

// How far a topic that is there may be changed.
struct TopicRules {
  // What the topic has and the plan does not name gets the cluster's default.
  bool resets = false;
  std::set<std::string> unmanaged;  // settings that are left alone
  // Why keys must stay in their partitions; empty: it may grow.
  std::string keys_stay;
  int accepted_partitions = 0;  // growth to so many was accepted all the same
  bool any_partitions = false;  // their number is right whatever it is
};

// The changes of one topic that is there.
std::vector<TopicChange> CompareTopic(const NewTopic& wanted, const TopicState& have,
                                      const TopicRules& rules);

std::vector<TopicChange> Compare(const std::vector<NewTopic>& wanted,
                                 const std::map<std::string, TopicState>& have);

absl::Status Apply(const std::vector<TopicChange>& changes, Admin* admin);

}  // namespace levada::kafka
