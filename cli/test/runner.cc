#include "cli/test/runner.h"

#include <algorithm>
#include <set>

#include "cli/test/events.h"
#include "cli/test/expectation.h"
#include "core/base/strings.h"
#include "core/pipeline/tests.h"

namespace levada::cli {
namespace {

using nlohmann::json;

std::string PathOf(const std::string& files, const std::string& name) {
  return name.starts_with("/") ? name : base::StrCat(files, "/", name);
}

// The record's key as ingest makes it: text as it is, a number by its digits.
std::optional<std::string> KeyOf(const json& event, const v1::Topic* topic) {
  if (topic == nullptr || topic->key().empty()) return std::nullopt;
  const auto found = event.find(topic->key());
  if (found == event.end() || found->is_null()) return std::nullopt;
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// The event's own time, as it has it.
std::string TimeOf(const json& event, const v1::Topic* topic) {
  if (topic == nullptr || topic->timestamp().empty()) return "";
  const auto found = event.find(topic->timestamp());
  if (found == event.end()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

class TestRun {
 public:
  TestRun(const v1::Pipeline& pipeline, const v1::Test& test, const std::string& files,
          TestBed& bed)
      : pipeline_(pipeline), test_(test), files_(files), bed_(bed) {}

  absl::Status Give() {
    absl::Status status = bed_.Reset(now_ms_);
    for (const v1::TestInput& input : test_.given()) {
      if (!status.ok()) return status;
      status = input.wait().empty() ? Send(input) : Wait(input);
    }
    return status;
  }

  absl::Status Look(std::vector<Failure>* failures) const {
    std::set<std::string> with_errors;
    for (const v1::TestExpectation& expected : test_.expect()) {
      if (expected.errors_size() > 0) with_errors.insert(expected.stage());
    }
    std::set<std::string> seen;
    for (const v1::TestExpectation& expected : test_.expect()) {
      std::vector<json> records;
      absl::Status status = Expected(expected, &records);
      if (!status.ok()) return status;
      CheckExpectation(pipeline_, expected, records, bed_, failures);
      // Whoever looks at a stage hears of its dead letters.
      const bool first = seen.insert(expected.stage()).second;
      if (first && !with_errors.contains(expected.stage())) {
        CheckNoneBuried(expected.stage(), bed_, failures);
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Wait(const v1::TestInput& input) {
    now_ms_ += pipeline::DurationMs(input.wait());
    return bed_.PassTo(now_ms_);
  }

  absl::Status Send(const v1::TestInput& input) {
    const v1::Topic* topic = pipeline::FindTopic(pipeline_, input.topic());
    const int64_t every = pipeline::DurationMs(input.every());
    // What a file has brought may be later than the checks could know.
    now_ms_ = std::max(now_ms_, pipeline::TimeMs(input.at(), now_ms_));
    std::vector<TestRecord> records;
    const auto add = [&](std::string text, const json& event) {
      TestRecord record{.topic = input.topic(), .value = std::move(text), .timestamp_ms = now_ms_};
      record.key = input.key().empty() ? KeyOf(event, topic) : std::optional(input.key());
      if (!records.empty()) now_ms_ += every;
      if (input.at().empty() && (records.empty() || every == 0)) {
        now_ms_ = pipeline::ArrivalMs(TimeOf(event, topic), now_ms_);
      }
      record.timestamp_ms = now_ms_;
      records.push_back(std::move(record));
    };
    for (const auto& event : input.events()) {
      const json converted = ToJson(event);
      add(converted.dump(), converted);
    }
    if (!input.file().empty()) {
      auto lines = ReadEvents(PathOf(files_, input.file()));
      if (!lines.ok()) return lines.status();
      for (EventLine& line : *lines) add(std::move(line.text), line.event);
    }
    if (input.tombstone()) {
      records.push_back({.topic = input.topic(), .key = input.key(), .timestamp_ms = now_ms_});
    }
    return bed_.Send(input.topic(), std::move(records));
  }

  absl::Status Expected(const v1::TestExpectation& expected, std::vector<json>* out) const {
    for (const auto& event : expected.events()) out->push_back(ToJson(event));
    if (expected.file().empty()) return absl::OkStatus();
    auto lines = ReadEvents(PathOf(files_, expected.file()));
    if (!lines.ok()) return lines.status();
    for (EventLine& line : *lines) out->push_back(std::move(line.event));
    return absl::OkStatus();
  }

  const v1::Pipeline& pipeline_;
  const v1::Test& test_;
  const std::string& files_;
  TestBed& bed_;
  int64_t now_ms_ = pipeline::kTestBeginMs;
};

}  // namespace

TestResult RunTest(const v1::Pipeline& pipeline, const v1::Test& test, const std::string& files,
                   TestBed& bed) {
  const auto began = std::chrono::steady_clock::now();
  TestResult result{.name = test.name()};
  TestRun run(pipeline, test, files, bed);
  absl::Status status = run.Give();
  if (status.ok()) status = run.Look(&result.failures);
  if (!status.ok()) result.error = base::View(status.message());
  result.took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  return result;
}

}  // namespace levada::cli
