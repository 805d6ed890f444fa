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
// What `expect` does not name must not happen.
#include <gmock/gmock.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/base/time.h"
#include "core/pipeline/testing.h"
#include "core/pipeline/yaml.h"
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

// What a topic got, as the test shows it: only values where it lists only values.
std::vector<std::string> Got(const OutputBatch& out, int topic, bool values_only) {
  std::vector<std::string> got;
  for (const OutputRecord& record : out.records()) {
    if (record.topic != topic) continue;
    got.push_back(values_only ? std::string(out.Value(record))
                              : Show(record.has_key, record.key, record.timestamp_ms,
                                     record.has_value, out.Value(record)));
  }
  return got;
}

std::vector<std::string> Wanted(const YamlNode& node) {
  std::vector<std::string> wanted;
  for (const std::string_view line : Lines(node.text)) wanted.emplace_back(line);
  for (const YamlNode& item : node.items) wanted.push_back(Show(item));
  return wanted;
}

void CompareDeadLetters(const YamlNode* wanted, const OutputBatch& out) {
  std::vector<std::string> got;
  for (const DeadLetter& dead : out.dead_letters()) {
    got.push_back(base::StrCat(dead.source + 1, " ", dead.error));
  }
  std::vector<testing::Matcher<std::string>> matchers;
  for (size_t i = 0; wanted != nullptr && i < wanted->items.size(); ++i) {
    const std::string& text = wanted->items[i].text;
    const size_t space = text.find(' ');
    matchers.push_back(testing::AllOf(testing::StartsWith(text.substr(0, space + 1)),
                                      testing::HasSubstr(text.substr(space + 1))));
  }
  EXPECT_THAT(got, testing::ElementsAreArray(matchers));
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
  OutputBatch out;
  const Batch batch("in", ReadEvents(*events), std::make_shared<Owner>());
  ASSERT_TRUE(chain->Process(batch, &out).ok());
  for (size_t topic = 0; topic < chain->output_topics().size(); ++topic) {
    const std::string& name = chain->output_topics()[topic];
    const YamlNode* const node = Find(*expect, name);
    const bool values_only = node == nullptr || node->kind == YamlNode::Kind::kScalar;
    EXPECT_EQ(Got(out, static_cast<int>(topic), values_only),
              node == nullptr ? std::vector<std::string>() : Wanted(*node))
        << "in topic " << name;
  }
  for (const auto& [key, value] : expect->entries) {
    const auto& topics = chain->output_topics();
    EXPECT_TRUE(key.text == "filtered" || key.text == "deadLetters" ||
                std::find(topics.begin(), topics.end(), key.text) != topics.end())
        << "the stage has no output " << key.text;
  }
  CompareDeadLetters(Find(*expect, "deadLetters"), out);
  int filtered = 0;
  if (Find(*expect, "filtered") != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(TextAt(*expect, "filtered"), &filtered));
  }
  EXPECT_EQ(out.filtered, filtered);
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
