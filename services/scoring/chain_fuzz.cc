// Any bytes as events, a line each, through a stage with every kind of step. Whatever they are,
// each event is sent on, filtered or a dead letter, and what is sent on is one JSON object.
#include <cstdint>
#include <cstdlib>
#include <set>

#include "absl/strings/str_split.h"
#include "core/json/scan.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: fuzz}
spec:
  topics:
  - name: in
    fields:
    - {name: amount, type: double}
    - {name: count, type: long}
    - {name: at, type: timestamp}
  - {name: out, key: name, timestamp: at}
  - {name: large, compacted: true, key: id}
  stages:
  - name: score
    scoring:
      from: in
      steps:
      - filter: '!has(event.amount) || amount >= 0'
      - set:
        - {name: hour, value: 'has(event.at) ? at.getHours() : -1'}
        - {name: more, value: 'has(event.count) ? count + 1 : 0'}
        - {name: id, value: 'has(event.name) ? event.name : event'}
      - set:
        - {name: copy, value: id}
        - {name: names, value: 'has(event.list) ? event.list.map(x, string(x)) : []'}
      - model:
          xgboost: models/fraud/fraud.json
          inputs: [amount, count, hour, 'event["a b"]', more]
      - drop: [list, "a b"]
      - rules:
          mode: allMatched
          rules:
          - {name: high, when: score > 0.01, outcome: block}
          - {name: named, when: 'has(event.name) && event.name == "x"', outcome: review}
      outputs:
      - {to: out}
      - {to: large, when: 'has(event.count) && count > 10'}
      tookAs: took
)";

void Demand(bool condition) {
  if (!condition) std::abort();
}

void Run(std::string_view input) {
  // Never destroyed: the XGBoost library frees what belongs to a thread when that ends, which for
  // the main one is before its statics.
  static TestStage& stage = *new TestStage(kManifest);
  static Chain* const chain = stage.MakeChain().release();
  static OutputBatch out;
  std::vector<std::string> events = absl::StrSplit(base::AbslView(input), '\n');
  const Batch batch = Batch::FromValues("in", std::move(events));
  out.Clear();
  Demand(chain->Process(batch, &out).ok());
  std::set<int32_t> sent;
  for (const OutputRecord& record : out.records()) {
    sent.insert(record.source);
    json::Value value;
    Demand(json::ScanValue(out.Value(record), &value).ok() && value.kind == json::Kind::kObject);
  }
  Demand(sent.size() + out.filtered + out.dead_letters().size() == batch.size());
}

}  // namespace
}  // namespace levada::scoring

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  levada::scoring::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
