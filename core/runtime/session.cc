// `levada test`: a stage that is driven request by request, without Kafka, by the caller's clock.
//
// A request is a line of JSON on standard input; its answer is the next line of standard output.
//
//   request  = reset | records | time | coverage
//   reset    = {"reset": MS}                        a new test begins, without state, at this time
//   records  = {"topic": S, "records": [record*]}   they come in, in order; time passes to theirs
//   time     = {"now": MS}                          time passes
//   coverage = {"coverage": true}                   what was hit since the process began
//   record   = {"key": S?, "value": S?, "timestamp": MS, "headers": {S: S, …}?}
//
//   answer   = {"out": [written*], "dead": [dead*], "filtered": N}
//            | {"steps": [{"name": S, "events": N, "rules": [{"name": S, "events": N}*]}*]}
//            | {"error": S}                         the stage cannot go on
//   written  = {"topic": S?, "key": S?, "value": S?, "timestamp": MS}
//   dead     = {"error": S, "key": S?, "value": S?}
//
// MS: milliseconds since 1970. A record without a value is a tombstone. What a sink would write has
// no topic. All records are of one partition, and their offsets count from 0 in each topic. The end
// of the input ends the process.

#include <deque>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/runtime/stateful.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

using nlohmann::json;

// Records as the test has them, and their memory.
class TestRecords : public BatchOwner {
 public:
  explicit TestRecords(const json& records) {
    for (const json& record : records) texts_.push_back(Text(record));
  }

  std::vector<Record> Views(int64_t first_offset) const {
    std::vector<Record> records;
    for (const Texts& texts : texts_) {
      Record& record = records.emplace_back();
      record.has_key = texts.key.has_value();
      record.key = record.has_key ? *texts.key : std::string_view();
      record.has_value = texts.value.has_value();
      record.value = record.has_value ? *texts.value : std::string_view();
      record.timestamp_ms = texts.timestamp_ms;
      record.offset = first_offset++;
      record.native = &texts;
    }
    return records;
  }

  void ReadHeaders(const Record& record, std::vector<Header>* headers) const override {
    for (const auto& [name, value] : static_cast<const Texts*>(record.native)->headers) {
      headers->push_back({name, value});
    }
  }

 private:
  struct Texts {
    std::optional<std::string> key;
    std::optional<std::string> value;
    int64_t timestamp_ms = 0;
    std::map<std::string, std::string> headers;
  };

  static Texts Text(const json& record) {
    Texts texts;
    if (record.contains("key")) texts.key = record["key"].get<std::string>();
    if (record.contains("value")) texts.value = record["value"].get<std::string>();
    texts.timestamp_ms = record.at("timestamp").get<int64_t>();
    if (record.contains("headers")) record["headers"].get_to(texts.headers);
    return texts;
  }

  std::deque<Texts> texts_;  // which do not move
};

// One of three.
struct Stage {
  Processor* processor;
  Sink* sink;
  Source* source;
  std::string input;  // topic that it reads, beside the tables of a processor
};

class Session {
 public:
  explicit Session(Stage stage)
      : stage_(std::move(stage)),
        state_(stage_.processor == nullptr ? nullptr : stage_.processor->state()) {}

  json Answer(const json& request) {
    out_ = json::array();
    dead_ = json::array();
    filtered_ = 0;
    absl::Status status;
    if (request.contains("reset")) {
      status = Reset(request["reset"].get<int64_t>());
    } else if (request.contains("records")) {
      status = Take(request.at("topic").get<std::string>(), request["records"]);
    } else if (request.contains("now")) {
      status = PassTo(request["now"].get<int64_t>());
    } else {
      return {{"steps", Coverage()}};
    }
    if (!status.ok()) return {{"error", base::View(status.message())}};
    return {{"out", std::move(out_)}, {"dead", std::move(dead_)}, {"filtered", filtered_}};
  }

 private:
  absl::Status Reset(int64_t now) {
    now_ms_ = now;
    offsets_.clear();
    if (state_ == nullptr) return absl::OkStatus();
    state_->Reset();
    state_->Assign(0, 1);
    state_->Restored(0);
    return Tick();
  }

  absl::Status PassTo(int64_t now) {
    if (now <= now_ms_) return absl::OkStatus();
    now_ms_ = now;
    return state_ == nullptr ? absl::OkStatus() : Tick();
  }

  // What is due by the clock.
  absl::Status Tick() {
    output_.Clear();
    absl::Status status = state_->Tick(now_ms_, &output_);
    Collect();
    Bury(Batch(), output_.dead_letters());
    return status;
  }

  absl::Status Take(const std::string& topic, const json& list) {
    auto [offset, fresh] = offsets_.try_emplace(topic, 0);
    auto owner = std::make_shared<TestRecords>(list);
    const std::vector<Record> records = owner->Views(offset->second);
    offset->second += static_cast<int64_t>(records.size());
    for (size_t begin = 0, end = 0; begin < records.size(); begin = end) {
      end = EndOfBatch(records, begin);
      absl::Status status = PassTo(records[end - 1].timestamp_ms);
      const Batch batch(offset->first, {records.begin() + begin, records.begin() + end}, owner);
      if (status.ok()) Update(batch);
      if (status.ok() && topic == stage_.input) status = Through(batch);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Records of one time are a batch; for a sink, which does not hear of time, all of them.
  size_t EndOfBatch(const std::vector<Record>& records, size_t begin) const {
    if (stage_.sink != nullptr) return records.size();
    size_t end = begin;
    while (end < records.size() && records[end].timestamp_ms == records[begin].timestamp_ms) ++end;
    return end;
  }

  // Whoever reads a topic as a table sees it at once.
  void Update(const Batch& batch) {
    const auto& tables = state_ == nullptr ? kNoTables : state_->tables();
    for (size_t i = 0; i < tables.size(); ++i) {
      if (tables[i] == batch.topic()) state_->UpdateTable(i, batch);
    }
  }

  absl::Status Through(const Batch& batch) {
    if (stage_.processor != nullptr) return Process(batch);
    std::string lines;
    std::vector<DeadLetter> dead;
    absl::Status status = stage_.sink != nullptr ? stage_.sink->Pipe(batch, &lines, &dead)
                                                 : stage_.source->Pipe(batch, &lines, &dead);
    for (size_t begin = 0, end = 0; begin < lines.size(); begin = end + 1) {
      end = lines.find('\n', begin);
      if (end == lines.npos) end = lines.size();
      out_.push_back({{"value", lines.substr(begin, end - begin)}, {"timestamp", now_ms_}});
    }
    Bury(batch, dead);
    return status;
  }

  absl::Status Process(const Batch& batch) {
    output_.Clear();
    absl::Status status = stage_.processor->Process(batch, &output_);
    Collect();
    Bury(batch, output_.dead_letters());
    return status;
  }

  void Collect() {
    for (const OutputRecord& record : output_.records()) {
      // How far time has come follows from the records themselves where all are in one partition.
      if (record.partition == OutputRecord::kEveryPartition) continue;
      json written = {{"topic", stage_.processor->output_topics()[record.topic]},
                      {"timestamp", record.timestamp_ms}};
      if (record.has_key) written["key"] = std::string(record.key);
      if (record.has_value) written["value"] = std::string(output_.Value(record));
      out_.push_back(std::move(written));
    }
    filtered_ += output_.filtered;
  }

  void Bury(const Batch& batch, const std::vector<DeadLetter>& letters) {
    for (const DeadLetter& letter : letters) {
      json dead = {{"error", letter.error}};
      if (letter.source >= 0) {
        const Record& record = batch[letter.source];
        if (record.has_key) dead["key"] = std::string(record.key);
        if (record.has_value) dead["value"] = std::string(record.value);
      }
      if (!letter.event.empty()) dead["value"] = letter.event;  // what a step made of it
      dead_.push_back(std::move(dead));
    }
  }

  json Coverage() const {
    json steps = json::array();
    if (stage_.processor == nullptr) return steps;
    for (const StepReached& reached : stage_.processor->Coverage()) {
      json rules = json::array();
      for (const auto& rule : reached.rules) {
        rules.push_back({{"name", rule.name}, {"events", rule.events}});
      }
      steps.push_back(
          {{"name", reached.step}, {"events", reached.events}, {"rules", std::move(rules)}});
    }
    return steps;
  }

  static inline const std::vector<std::string> kNoTables;

  const Stage stage_;
  Stateful* const state_;  // null: it remembers nothing
  OutputBatch output_;
  int64_t now_ms_ = 0;
  std::map<std::string, int64_t> offsets_;  // next one of each topic

  // Of the answer.
  json out_;
  json dead_;
  uint64_t filtered_ = 0;
};

json AnswerTo(const std::string& line, Session& session) {
  try {
    return session.Answer(json::parse(line));
  } catch (const json::exception& error) {
    return {{"error", base::StrCat("not a request: ", error.what())}};
  }
}

}  // namespace

int RunTestSession(const StageContext& context, Processor* processor, Sink* sink, Source* source) {
  std::ios::sync_with_stdio(false);
  Session session({processor, sink, source, std::string(pipeline::InputTopic(context.stage))});
  std::string line;
  while (std::getline(std::cin, line)) {
    const json answer = AnswerTo(line, session);
    std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << '\n' << std::flush;
  }
  return 0;
}

}  // namespace levada::runtime
