#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/test/coverage.h"
#include "cli/test/session.h"
#include "core/pipeline/plan.h"

// A pipeline whose stages run without Kafka, under the clock of a test: what is sent to a topic
// goes through all stages that read it, and what they write to the readers of that, in order.
//
//   auto bed = TestBed::Start(plan, options);
//   (*bed)->Reset(now);
//   (*bed)->Send("transactions", {{.value = "{…}", .timestamp_ms = now}});
//   (*bed)->written("detect");
//
// Each stage is a process of its service, and stays over all tests of the pipeline.
//
// Threads: one at a time.
namespace levada::cli {

// A record of a topic; of a stage that writes elsewhere, what it would write there.
struct TestRecord {
  std::string topic;  // empty: elsewhere
  std::optional<std::string> key;
  std::optional<std::string> value;  // none: a tombstone
  int64_t timestamp_ms = 0;
};

struct BuriedRecord {
  std::string error;
  TestRecord record;
};

class TestBed {
 public:
  struct Options {
    std::string programs;  // folder of the services' programs; empty: beside this one
    std::string files;     // folder of the manifest's files
    std::string secrets;
    // Stages that write elsewhere (indexing, archiving, notify) are only run where they are named.
    std::set<std::string> looked_at;
  };

  // InvalidArgument: a stage that cannot be made, with the reason.
  static absl::StatusOr<std::unique_ptr<TestBed>> Start(const pipeline::Plan& plan,
                                                        const Options& options);
  ~TestBed();

  // A new test: no state, no records.
  absl::Status Reset(int64_t now_ms);
  // Records, in order; time passes to the last of them.
  absl::Status Send(const std::string& topic, std::vector<TestRecord> records);
  // Time passes.
  absl::Status PassTo(int64_t now_ms);

  // Since the last Reset, in order.
  const std::vector<TestRecord>& written(const std::string& stage) const;
  const std::vector<BuriedRecord>& buried(const std::string& stage) const;

  // Over all tests.
  absl::StatusOr<std::vector<StageCoverage>> Coverage();

 private:
  // A stage of the plan. One of the manifest may be several.
  struct Part {
    std::string name;
    std::string stage;  // of the manifest
    std::string kind;
    std::vector<std::string> reads;  // tables first
    std::vector<std::string> writes;
    std::unique_ptr<Session> session;
    std::map<std::string, uint64_t> written;  // over all tests: topic → records
  };
  // What became of a stage's records.
  struct Results {
    std::vector<TestRecord> written;
    std::vector<BuriedRecord> buried;
  };

  TestBed() = default;

  absl::Status Add(const pipeline::PlannedStage& planned, const Options& options);
  void Sort();
  // Through all stages, until nothing is under way.
  absl::Status Run(int64_t now_ms);
  absl::Status Ask(Part& part, const nlohmann::json& request);
  void Take(Part& part, const nlohmann::json& answer);
  absl::Status Told(const Part& part, const absl::Status& status) const;

  std::set<std::string> between_;                          // topics between the parts of a stage
  std::vector<Part> parts_;                                // writers before their readers
  std::map<std::string, std::vector<TestRecord>> topics_;  // that are under way
  std::map<std::string, Results> results_;                 // by stage of the manifest
  int64_t now_ms_ = 0;
};

}  // namespace levada::cli
