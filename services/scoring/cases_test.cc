// Each file in testdata/cases is a manifest and, in the documents behind it, tests of its stages:
// events in, records out. docs of the form:
//
//   test: what is shown
//   stage: score                   where there are several
//   events: |                      one event a line; or, where keys and times matter,
//     {"id":1}                     - {key: a, time: "2026-11-02T08:00:00Z", value: '{"id":1}'}
//   expect:                        a record without a value is a tombstone
//     scored: |                    by output topic, in order, byte by byte
//       {"id":1}
//     filtered: 1                  events that a step or the outputs' conditions left out
//     deadLetters:                 the event's number, counted from 1, and what its error contains
//     - 2 step 1 (filter)
//
// What `expect` does not name must not happen. A stage with state gets its events twice: all at
// once, and each by a worker of its own that has only the changelog of the one before. Behind the
// last event the input has ended.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/base/time.h"
#include "core/pipeline/testing.h"
#include "core/pipeline/yaml.h"
#include "core/runtime/stateful.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using pipeline::YamlNode;

constexpr char kFolder[] = "services/scoring/testdata/cases";
constexpr std::string_view kSeparator = "\n---\n";

const YamlNode* Find(const YamlNode& map, std::string_view key) {
  for (const auto& [name, value] : map.entries) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

std::string TextAt(const YamlNode& map, std::string_view key) {
  const YamlNode* node = Find(map, key);
  return node == nullptr ? "" : node->text;
}

// The memory of the records that a test sends in.
class Owner : public BatchOwner {
 public:
  void ReadHeaders(const Record&, std::vector<Header>*) const override {}
};

std::vector<std::string_view> Lines(const std::string& text) {
  std::vector<std::string_view> lines;
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(base::View(line));
  }
  return lines;
}

// A record as tests show it.
std::string Show(bool has_key, std::string_view key, int64_t time_ms, bool has_value,
                 std::string_view value) {
  return base::StrCat(has_key ? base::StrCat("key ", key, ", ") : "", "time ",
                      base::FormatTimestamp(time_ms * 1000), ", ", has_value ? value : "no value");
}

std::string Show(const YamlNode& node) {
  const YamlNode* key = Find(node, "key");
  const YamlNode* value = Find(node, "value");
  const auto micros = base::ParseTimestamp(TextAt(node, "time"));
  return Show(key != nullptr, key == nullptr ? "" : key->text, micros.ok() ? *micros / 1000 : 0,
              value != nullptr, value == nullptr ? "" : value->text);
}

std::vector<Record> ReadEvents(const YamlNode& events) {
  std::vector<Record> records;
  if (events.kind == YamlNode::Kind::kScalar) {
    for (const std::string_view line : Lines(events.text)) {
      records.emplace_back().value = line;
      records.back().offset = static_cast<int64_t>(records.size()) - 1;
    }
  }
  for (const YamlNode& node : events.items) {
    Record& record = records.emplace_back();
    if (const YamlNode* key = Find(node, "key")) {
      record.has_key = true;
      record.key = key->text;
    }
    const YamlNode* value = Find(node, "value");
    record.has_value = value != nullptr;
    if (value != nullptr) record.value = value->text;
    const auto micros = base::ParseTimestamp(TextAt(node, "time"));
    record.timestamp_ms = micros.ok() ? *micros / 1000 : 0;
    record.offset = static_cast<int64_t>(records.size()) - 1;
  }
  return records;
}

// What came out, by topic, in order.
struct Outcome {
  struct Result {
    std::string value;
    std::string shown;  // with key and time
  };
  std::map<std::string, std::vector<Result>> topics;
  std::vector<std::string> dead_letters;
  uint32_t filtered = 0;

  // `before`: how many events were in the batches before.
  void Take(const Chain& chain, const OutputBatch& out, size_t before) {
    for (const OutputRecord& record : out.records()) {
      topics[chain.output_topics()[record.topic]].push_back(
          {std::string(out.Value(record)), Show(record.has_key, record.key, record.timestamp_ms,
                                                record.has_value, out.Value(record))});
    }
    for (const DeadLetter& dead : out.dead_letters()) {
      dead_letters.push_back(base::StrCat(before + dead.source + 1, " ", dead.error));
    }
    filtered += out.filtered;
  }
  // As a test shows it: only values where it lists only values.
  std::vector<std::string> Of(const std::string& topic, bool values_only) const {
    std::vector<std::string> got;
    const auto found = topics.find(topic);
    if (found == topics.end()) return got;
    for (const Result& result : found->second) {
      got.push_back(values_only ? result.value : result.shown);
    }
    return got;
  }
};

// All events in one batch, then the end of the input.
Outcome RunAtOnce(TestStage* stage, const std::vector<Record>& events) {
  Outcome outcome;
  const std::unique_ptr<Chain> chain = stage->MakeChain();
  if (chain == nullptr) return outcome;
  runtime::Stateful* const state = chain->state();
  if (state != nullptr) {
    state->Assign(0, 1);
    state->Restored(0);
  }
  OutputBatch out;
  const Batch batch("in", events, std::make_shared<Owner>());
  EXPECT_TRUE(chain->Process(batch, &out).ok());
  if (state != nullptr) {
    EXPECT_TRUE(state->Tick(runtime::Stateful::kEnd, &out).ok());
  }
  outcome.Take(*chain, out, 0);
  return outcome;
}

// Each event by a worker of its own, which has what the one before left in the changelog.
Outcome RunWithRestarts(TestStage* stage, const std::vector<Record>& events) {
  Outcome outcome;
  std::map<std::string, std::string> changelog;
  for (size_t i = 0; i <= events.size(); ++i) {
    const std::unique_ptr<Chain> chain = stage->MakeChain();
    if (chain == nullptr) return outcome;
    runtime::Stateful* const state = chain->state();
    state->Assign(0, 1);
    std::vector<Record> kept;
    for (const auto& [key, value] : changelog) {
      Record& record = kept.emplace_back();
      record.key = key;
      record.has_key = true;
      record.value = value;
    }
    const absl::Status restored = state->Restore(Batch("changelog", kept, nullptr));
    EXPECT_TRUE(restored.ok()) << restored;
    state->Restored(0);
    OutputBatch out;
    if (i < events.size()) {
      const Batch batch("in", {events[i]}, std::make_shared<Owner>());
      EXPECT_TRUE(chain->Process(batch, &out).ok());
    } else {
      EXPECT_TRUE(state->Tick(runtime::Stateful::kEnd, &out).ok());
    }
    outcome.Take(*chain, out, i);
    OutputBatch changes;
    state->Checkpoint(&changes);
    for (const OutputRecord& record : changes.records()) {
      if (record.has_value) {
        changelog[std::string(record.key)] = std::string(changes.Value(record));
      } else {
        changelog.erase(std::string(record.key));
      }
    }
  }
  return outcome;
}

std::vector<std::string> Wanted(const YamlNode& node) {
  std::vector<std::string> wanted;
  for (const std::string_view line : Lines(node.text)) wanted.emplace_back(line);
  for (const YamlNode& item : node.items) wanted.push_back(Show(item));
  return wanted;
}

void CompareDeadLetters(const YamlNode* wanted, const std::vector<std::string>& got) {
  std::vector<testing::Matcher<std::string>> matchers;
  for (size_t i = 0; wanted != nullptr && i < wanted->items.size(); ++i) {
    const std::string& text = wanted->items[i].text;
    const size_t space = text.find(' ');
    matchers.push_back(testing::AllOf(testing::StartsWith(text.substr(0, space + 1)),
                                      testing::HasSubstr(text.substr(space + 1))));
  }
  EXPECT_THAT(got, testing::ElementsAreArray(matchers));
}

void Compare(const YamlNode& expect, const std::vector<std::string>& topics,
             const Outcome& outcome) {
  for (const std::string& name : topics) {
    const YamlNode* const node = Find(expect, name);
    const bool values_only = node == nullptr || node->kind == YamlNode::Kind::kScalar;
    EXPECT_EQ(outcome.Of(name, values_only),
              node == nullptr ? std::vector<std::string>() : Wanted(*node))
        << "in topic " << name;
  }
  for (const auto& [key, value] : expect.entries) {
    EXPECT_TRUE(key.text == "filtered" || key.text == "deadLetters" ||
                std::find(topics.begin(), topics.end(), key.text) != topics.end())
        << "the stage has no output " << key.text;
  }
  CompareDeadLetters(Find(expect, "deadLetters"), outcome.dead_letters);
  uint32_t filtered = 0;
  if (Find(expect, "filtered") != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(TextAt(expect, "filtered"), &filtered));
  }
  EXPECT_EQ(outcome.filtered, filtered);
}

void RunTest(std::string_view manifest, const YamlNode& test) {
  const YamlNode* const events = Find(test, "events");
  const YamlNode* const expect = Find(test, "expect");
  ASSERT_TRUE(events != nullptr && expect != nullptr) << "a test needs events and expect";
  const std::string stage_name = TextAt(test, "stage");
  TestStage stage(manifest, stage_name.empty() ? "score" : stage_name);
  if (testing::Test::HasFailure()) return;
  const std::unique_ptr<Chain> chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  const std::vector<Record> records = ReadEvents(*events);
  Compare(*expect, chain->output_topics(), RunAtOnce(&stage, records));
  if (chain->state() == nullptr) return;
  SCOPED_TRACE("with a restart after each event");
  Compare(*expect, chain->output_topics(), RunWithRestarts(&stage, records));
}

class StepCases : public testing::TestWithParam<std::string> {};

TEST_P(StepCases, Hold) {
  const std::string file = base::StrCat(kFolder, "/", GetParam(), ".yaml");
  const std::string text = pipeline::ReadTestFile(file);
  const size_t end = text.find(kSeparator);
  ASSERT_NE(end, std::string::npos) << file << " has no tests";
  pipeline::Problems problems;
  const auto tests = pipeline::ParseYaml(
      std::make_shared<const pipeline::SourceText>(file, text.substr(end + kSeparator.size())),
      &problems);
  ASSERT_TRUE(problems.empty()) << problems.all().front().message;
  ASSERT_FALSE(tests.empty());
  for (const YamlNode& test : tests) {
    SCOPED_TRACE(TextAt(test, "test"));
    RunTest(text.substr(0, end + 1), test);
  }
}

INSTANTIATE_TEST_SUITE_P(All, StepCases, testing::ValuesIn(pipeline::CasesIn(kFolder)),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace levada::scoring
