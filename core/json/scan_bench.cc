// What one pass over an event costs, beside simdjson's on-demand parser taking the same fields.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <string>
#include <vector>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/json/scan.h"
#include "core/json/splice.h"

namespace levada::json {
namespace {

constexpr std::string_view kEvent =
    R"({"event_id":"8f14e45fceea467fa8d51b2c3d4e5f60","event_time":"2024-03-01T12:34:56.789Z",)"
    R"("entity_id":"C004711","terminal_id":"T000815","transaction_amt":123.45,)"
    R"("transaction_currency":"EUR","merchant":"Grocer 17","country":"DE","card_present":true,)"
    R"("lat":52.52,"lon":13.405,"attempt":1,"channel":"pos","mcc":5411,"ip":"10.1.2.3"})";

const char* const kWanted[] = {"event_time", "entity_id", "transaction_amt", "attempt"};

FieldSet WantedFields() {
  FieldSet fields;
  for (const char* name : kWanted) fields.Add(name);
  return fields;
}

// Events of one shape with different values, as a topic has them: the branch predictor cannot
// learn the bytes by heart.
std::vector<std::string> Events() {
  std::vector<std::string> events;
  for (uint32_t i = 0; i < 4096; ++i) {
    const uint32_t mixed = i * 2654435761u;
    events.push_back(base::StrCat(
        R"({"event_id":"8f14e45fceea467fa8d51b2c)", mixed, R"(","event_time":"2024-03-01T12:34:)",
        10 + mixed % 50, R"(.789Z","entity_id":"C)", mixed % 9973, R"(","terminal_id":"T)",
        mixed % 1811, R"(","transaction_amt":)", mixed % 1000, ".", mixed % 97,
        R"(,"transaction_currency":"EUR","merchant":"Grocer )", mixed % 313,
        R"(","country":"DE","card_present":)", mixed % 3 == 0 ? "true" : "false", R"(,"lat":52.)",
        mixed % 10'007, R"(,"lon":13.)", mixed % 9'001, R"(,"attempt":)", mixed % 3,
        R"(,"channel":"pos","mcc":)", mixed % 8000, R"(,"ip":"10.1.2.)", mixed % 256, "\"}"));
  }
  return events;
}

void BM_Scan(benchmark::State& state) {
  const FieldSet fields = WantedFields();
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  const std::vector<std::string> events = Events();
  size_t i = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const std::string& event = events[i++ & 4095];
    ScanInfo info;
    const ScanError error = Scan(event, fields, slots, &info);
    if (!error.ok()) state.SkipWithError("not valid");
    benchmark::DoNotOptimize(slots.data());
    bytes += event.size();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(BM_Scan);

void BM_ScanOneEvent(benchmark::State& state) {
  const FieldSet fields = WantedFields();
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  for (auto _ : state) {
    ScanInfo info;
    benchmark::DoNotOptimize(Scan(kEvent, fields, slots, &info));
    benchmark::DoNotOptimize(slots.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kEvent.size()));
}
BENCHMARK(BM_ScanOneEvent);

// simdjson wants padding behind the bytes: the events are copied beforehand, which is not counted.
void BM_SimdjsonOnDemand(benchmark::State& state) {
  std::vector<simdjson::padded_string> events;
  for (const std::string& event : Events()) events.emplace_back(event);
  simdjson::ondemand::parser parser;
  size_t i = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const simdjson::padded_string& event = events[i++ & 4095];
    auto document = parser.iterate(event);
    std::string_view raw[4];
    for (auto field : document.get_object()) {
      const simdjson::ondemand::raw_json_string key = field.key();
      for (size_t k = 0; k < 4; ++k) {
        if (key.unsafe_is_equal(kWanted[k])) raw[k] = field.value().raw_json_token();
      }
    }
    benchmark::DoNotOptimize(raw);
    bytes += event.size();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(BM_SimdjsonOnDemand);

// simdjson's tree, which validates all of the document as Scan does.
void BM_SimdjsonDom(benchmark::State& state) {
  std::vector<simdjson::padded_string> events;
  for (const std::string& event : Events()) events.emplace_back(event);
  simdjson::dom::parser parser;
  size_t i = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const simdjson::padded_string& event = events[i++ & 4095];
    auto document = parser.parse(event);
    benchmark::DoNotOptimize(document);
    bytes += event.size();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(BM_SimdjsonDom);

void BM_ScanText(benchmark::State& state) {
  const std::string unit =
      state.range(0) == 0 ? "plain text of a log line, " : "Grüße aus Zürich, 東京 ";
  std::string document = R"({"text":")";
  while (document.size() < 64 * 1024) document += unit;
  document += "\"}";
  const FieldSet fields = WantedFields();
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  for (auto _ : state) {
    ScanInfo info;
    benchmark::DoNotOptimize(Scan(document, fields, slots, &info));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(document.size()));
}
BENCHMARK(BM_ScanText)->ArgName("utf8")->Arg(0)->Arg(1);

void BM_ScanNested(benchmark::State& state) {
  std::string document = R"({"list":[)";
  while (document.size() < 64 * 1024) document += R"({"name":"item","n":[1,2.5,-300],"ok":true},)";
  document += "0]}";
  const FieldSet fields = WantedFields();
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  for (auto _ : state) {
    ScanInfo info;
    benchmark::DoNotOptimize(Scan(document, fields, slots, &info));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(document.size()));
}
BENCHMARK(BM_ScanNested);

void BM_SpliceThreeFields(benchmark::State& state) {
  const FieldSet fields = WantedFields();
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  ScanInfo info;
  Scan(kEvent, fields, slots, &info);
  const FieldEdit set[] = {
      {-1, "\"score\":", "971"}, {-1, "\"outcome\":", "\"block\""}, {2, "\"amount\":", "1.5"}};
  std::string out;
  for (auto _ : state) {
    out.clear();
    Splice(kEvent, info, slots, set, {}, &out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_SpliceThreeFields);

void BM_ParseTimestamp(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(base::ParseTimestamp("2024-03-01T12:34:56.789Z"));
  }
}
BENCHMARK(BM_ParseTimestamp);

}  // namespace
}  // namespace levada::json

BENCHMARK_MAIN();
