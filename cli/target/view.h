#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

// A pipeline as `levada status` and `levada top` show it, wherever it runs.
//
//   ViewRates rates;
//   absl::StatusOr<PipelineView> view = target->View();
//   rates.Update(&*view);                              // where the other side does not tell them
//   std::cout << RenderStages(*view, terminal_width);
//
// What is not known is negative or empty, and a column that nobody knows anything for is left out.
//
// Threads: pure functions, but for ViewRates, which remembers the last call.
namespace levada::cli {

struct StageRow {
  std::string name;
  std::string kind;   // "scoring"
  std::string state;  // "running", "waiting: OpenSearch … does not answer"
  bool ready = false;
  int replicas = -1;
  int ready_replicas = -1;
  int64_t records_in = -1;  // since its worker started
  int64_t records_out = -1;
  int64_t bytes_in = -1;
  int64_t bytes_out = -1;
  double records_per_second = -1;
  int64_t dead_letters = -1;
  int64_t late_events = -1;
  int64_t errors = -1;
  int64_t lag = -1;
  double p50_ms = -1;
  double p99_ms = -1;
  int restarts = -1;
  std::string last_error;
  std::string last_error_time;
  std::string autoscaling;  // what it wants and why
};

struct TopicRow {
  std::string name;
  std::string role;  // "Declared", "DeadLetters", …
  int partitions = 0;
  bool ready = false;
  bool managed = false;
  std::string message;
};

struct ConditionRow {
  std::string type;
  std::string status;  // "True", "False", "Unknown"
  std::string reason;
  std::string message;
  std::string since;  // RFC 3339; empty: not known
};

struct PipelineView {
  std::string name;
  std::string name_space;
  std::string where;  // "run on this machine, process 4711", "cluster kind-levada"
  std::string phase;  // "Running"
  bool ready = false;
  std::string message;  // why it is not; empty where it is
  int64_t generation = -1;
  int64_t applied_generation = -1;
  std::vector<ConditionRow> conditions;
  std::vector<StageRow> stages;
  std::vector<TopicRow> topics;
};

// Events a second from the counts of two views of the same pipeline.
class ViewRates {
 public:
  // Fills records_per_second of the stages that have counts and no rate.
  void Update(PipelineView* view);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    int64_t count = 0;
    Clock::time_point at;
  };
  std::map<std::string, Seen> before_;  // by pipeline and stage
};

// Tables, each line ending in a line break and cut at `width` characters (0: not).
std::string RenderHeader(const PipelineView& view, int width);
std::string RenderConditions(const PipelineView& view, int width);
std::string RenderStages(const PipelineView& view, int width);
std::string RenderTopics(const PipelineView& view, int width);
std::string RenderAll(const PipelineView& view, int width);
// A line a pipeline.
std::string RenderList(const std::vector<PipelineView>& views, int width);

nlohmann::json ToJson(const PipelineView& view);

}  // namespace levada::cli
