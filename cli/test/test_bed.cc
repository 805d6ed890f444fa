#include "cli/test/test_bed.h"

#include <algorithm>

#include "cli/programs.h"
#include "cli/test/session.h"
#include "core/base/strings.h"

namespace levada::cli {
namespace {

using nlohmann::json;

json ToJson(const TestRecord& record) {
  json out = {{"timestamp", record.timestamp_ms}};
  if (record.key) out["key"] = *record.key;
  if (record.value) out["value"] = *record.value;
  return out;
}

TestRecord FromJson(const json& written) {
  TestRecord record;
  record.topic = written.value("topic", "");
  if (written.contains("key")) record.key = written["key"].get<std::string>();
  if (written.contains("value")) record.value = written["value"].get<std::string>();
  record.timestamp_ms = written.value("timestamp", int64_t{0});
  return record;
}

// Of a bulk request: a line with the action, and one with the document unless it is a deletion.
// Both become one: the document with `_index` and `_id`.
std::vector<TestRecord> JoinActions(std::vector<TestRecord> lines) {
  std::vector<TestRecord> out;
  for (size_t i = 0; i < lines.size(); ++i) {
    const json action = json::parse(lines[i].value.value_or(""), nullptr, false);
    if (!action.is_object() || action.empty()) continue;
    const auto& target = action.front();
    const bool deletion = action.begin().key() == "delete";
    json document = json::object();
    if (!deletion && i + 1 < lines.size()) {
      document = json::parse(lines[++i].value.value_or(""), nullptr, false);
    }
    for (const char* key : {"_index", "_id"}) {
      if (target.contains(key)) document[key] = target[key];
    }
    if (deletion) document["_deleted"] = true;
    out.push_back({.value = document.dump(), .timestamp_ms = lines[i].timestamp_ms});
  }
  return out;
}

std::vector<std::string> TablesOf(const v1::Pipeline& slice, const std::string& stage) {
  std::vector<std::string> tables;
  const v1::Stage* found = pipeline::FindStage(slice, stage);
  if (found == nullptr) return tables;
  for (const v1::Step& step : found->scoring().steps()) {
    if (step.has_join()) tables.push_back(step.join().table());
  }
  return tables;
}

}  // namespace

TestBed::~TestBed() = default;

absl::StatusOr<std::unique_ptr<TestBed>> TestBed::Start(const pipeline::Plan& plan,
                                                        const Options& options) {
  std::unique_ptr<TestBed> bed(new TestBed);
  for (const pipeline::PlannedTopic& topic : plan.topics) {
    if (topic.role == pipeline::PlannedTopic::Role::kRepartition) bed->between_.insert(topic.name);
  }
  for (const pipeline::PlannedStage& planned : plan.stages) {
    const bool looked_at = planned.kind == "scoring" || options.looked_at.contains(planned.name);
    if (planned.kind == "ingest" || !looked_at) continue;
    if (absl::Status status = bed->Add(planned, options); !status.ok()) return status;
  }
  bed->Sort();
  return bed;
}

absl::Status TestBed::Add(const pipeline::PlannedStage& planned, const Options& options) {
  const auto program = FindProgram(planned.service, options.programs);
  if (!program.ok()) return program.status();
  Part part{.name = planned.name, .stage = planned.part_of, .kind = planned.kind};
  part.reads = TablesOf(planned.slice, planned.name);
  part.reads.push_back(planned.input);
  part.writes = planned.outputs;
  std::vector<std::string> command = {*program,  "--test-session", "--pipeline", "/dev/fd/3",
                                      "--stage", planned.name,     "--files",    options.files};
  if (!options.secrets.empty()) {
    command.insert(command.end(), {"--secrets", options.secrets});
  }
  auto session = Session::Start(command, planned.slice_yaml);
  if (!session.ok()) return session.status();
  part.session = *std::move(session);
  parts_.push_back(std::move(part));
  return absl::OkStatus();
}

// Writers before their readers; checked manifests have no circles.
void TestBed::Sort() {
  std::vector<Part> sorted;
  const auto waits_for = [](const Part& part, const Part& other) {
    return std::any_of(part.reads.begin(), part.reads.end(), [&](const std::string& topic) {
      return std::find(other.writes.begin(), other.writes.end(), topic) != other.writes.end();
    });
  };
  while (!parts_.empty()) {
    auto next = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) {
      return std::none_of(parts_.begin(), parts_.end(), [&](const Part& other) {
        return &other != &part && waits_for(part, other);
      });
    });
    if (next == parts_.end()) next = parts_.begin();
    sorted.push_back(std::move(*next));
    parts_.erase(next);
  }
  parts_ = std::move(sorted);
}

absl::Status TestBed::Reset(int64_t now_ms) {
  now_ms_ = now_ms;
  topics_.clear();
  results_.clear();
  // All at once: the first time they are still starting.
  for (Part& part : parts_) {
    absl::Status status = part.session->Send({{"reset", now_ms}});
    if (!status.ok()) return Told(part, status);
  }
  for (Part& part : parts_) {
    const auto answer = part.session->Receive();
    if (!answer.ok()) return Told(part, answer.status());
  }
  return absl::OkStatus();
}

absl::Status TestBed::Send(const std::string& topic, std::vector<TestRecord> records) {
  const int64_t last = records.empty() ? now_ms_ : records.back().timestamp_ms;
  topics_[topic] = std::move(records);
  return Run(std::max(now_ms_, last));
}

absl::Status TestBed::PassTo(int64_t now_ms) { return Run(now_ms); }

absl::Status TestBed::Run(int64_t now_ms) {
  now_ms_ = now_ms;
  for (Part& part : parts_) {
    for (const std::string& topic : part.reads) {
      const auto found = topics_.find(topic);
      if (found == topics_.end()) continue;
      json records = json::array();
      for (const TestRecord& record : found->second) records.push_back(ToJson(record));
      absl::Status status = Ask(part, {{"topic", topic}, {"records", std::move(records)}});
      if (!status.ok()) return status;
    }
    if (absl::Status status = Ask(part, {{"now", now_ms}}); !status.ok()) return status;
    // Several stages that write one topic: its readers get the records by their time.
    for (const std::string& topic : part.writes) {
      const auto found = topics_.find(topic);
      if (found == topics_.end()) continue;
      std::stable_sort(
          found->second.begin(), found->second.end(),
          [](const TestRecord& a, const TestRecord& b) { return a.timestamp_ms < b.timestamp_ms; });
    }
  }
  topics_.clear();
  return absl::OkStatus();
}

absl::Status TestBed::Ask(Part& part, const json& request) {
  const auto answer = part.session->Ask(request);
  if (!answer.ok()) return Told(part, answer.status());
  Take(part, *answer);
  return absl::OkStatus();
}

void TestBed::Take(Part& part, const json& answer) {
  std::vector<TestRecord> records;
  for (const json& written : answer.at("out")) records.push_back(FromJson(written));
  if (part.kind == "indexing") records = JoinActions(std::move(records));
  Results& results = results_[part.stage];
  for (TestRecord& record : records) {
    ++part.written[record.topic];
    if (!record.topic.empty()) topics_[record.topic].push_back(record);
    if (!between_.contains(record.topic)) results.written.push_back(std::move(record));
  }
  for (const json& dead : answer.at("dead")) {
    results.buried.push_back({dead.value("error", ""), FromJson(dead)});
  }
}

absl::Status TestBed::Told(const Part& part, const absl::Status& status) const {
  const std::string_view said = base::View(status.message());
  // A program says itself which stage it is.
  if (said.starts_with("stage ")) return status;
  const std::string text = base::StrCat("stage ", part.name, ": ", said);
  return absl::Status(status.code(), text);
}

const std::vector<TestRecord>& TestBed::written(const std::string& stage) const {
  static const std::vector<TestRecord> kNone;
  const auto found = results_.find(stage);
  return found == results_.end() ? kNone : found->second.written;
}

const std::vector<BuriedRecord>& TestBed::buried(const std::string& stage) const {
  static const std::vector<BuriedRecord> kNone;
  const auto found = results_.find(stage);
  return found == results_.end() ? kNone : found->second.buried;
}

absl::StatusOr<std::vector<StageCoverage>> TestBed::Coverage() {
  std::vector<StageCoverage> out;
  for (Part& part : parts_) {
    if (part.kind != "scoring") continue;
    const auto answer = part.session->Ask({{"coverage", true}});
    if (!answer.ok()) return Told(part, answer.status());
    StageCoverage coverage{part.name, {}};
    for (const json& step : answer->at("steps")) {
      const std::string name = step.at("name").get<std::string>();
      coverage.items.push_back({name, step.at("events").get<uint64_t>()});
      for (const json& rule : step.at("rules")) {
        coverage.items.push_back(
            {base::StrCat("rule ", rule.at("name").get<std::string>(), " of ", name),
             rule.at("events").get<uint64_t>()});
      }
    }
    if (part.writes.size() > 1) {
      for (const std::string& topic : part.writes) {
        coverage.items.push_back({base::StrCat("output to ", topic), part.written[topic]});
      }
    }
    out.push_back(std::move(coverage));
  }
  return out;
}

}  // namespace levada::cli
