#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "core/base/strings.h"
#include "core/pipeline/testing.h"
#include "gmock/gmock.h"

namespace levada::pipeline {
namespace {

using testing::HasSubstr;

std::string FirstProblem(std::string_view text) {
  const Problems problems = Validate(text);
  return problems.empty() ? "" : problems.ToText();
}

TEST(ReaderTest, ReadsAGoodManifestWithoutProblems) {
  const Manifests manifests = ReadManifests(kGoodManifest, "good.yaml");
  EXPECT_EQ(Validate(kGoodManifest).ToText(), "");
  ASSERT_EQ(manifests.documents.size(), 1u);
  const v1::Pipeline& pipeline = manifests.documents[0].pipeline;
  EXPECT_EQ(pipeline.metadata().name(), "shop");
  EXPECT_EQ(pipeline.spec().topics(1).partitions(), 3u);
  EXPECT_EQ(pipeline.spec().topics(0).fields(1).type(), v1::FIELD_TYPE_DOUBLE);
  EXPECT_EQ(pipeline.spec().stages(1).scoring().steps(0).filter(), "amount > 0");
  EXPECT_EQ(pipeline.spec().connections().at("mail").smtp().host(), "mail.example.com");
}

TEST(ReaderTest, SkipsAByteOrderMarkAndTakesWindowsLineEnds) {
  std::string text = kGoodManifest;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\r\n");
  }
  EXPECT_EQ(FirstProblem("\xEF\xBB\xBF" + text), "");
  text.replace(text.find("key: id"), 7, "kee: id");
  EXPECT_THAT(FirstProblem("\xEF\xBB\xBF" + text), HasSubstr("test.yaml:11:5: spec.topics[0].kee"));
}

TEST(ReaderTest, RefusesWhatIsNotText) {
  EXPECT_EQ(FirstProblem(std::string("kind: Pipe\0line", 15)),
            "test.yaml:1:11: a NUL character: this is not text\n");
  EXPECT_EQ(FirstProblem("kind: é\xFF"), "test.yaml:1:8: not UTF-8\n    save the file as UTF-8\n");
  EXPECT_THAT(FirstProblem(std::string(kMaxManifestBytes + 1, ' ')), HasSubstr("at most 1048576"));
  EXPECT_THAT(FirstProblem("kind: \x01"), HasSubstr("test.yaml:1:7: not YAML: control characters"));
}

TEST(ReaderTest, CountsColumnsInCharacters) {
  EXPECT_THAT(FirstProblem("{kind: Pipeline, \"größe\": 1}"), HasSubstr("test.yaml:1:18: "));
  EXPECT_THAT(FirstProblem("{\"größe\": 1, kind: Pipelin}"), HasSubstr("test.yaml:1:20: kind"));
}

TEST(ReaderTest, TellsThatTopicsAndStagesAreMissingOnce) {
  const Problems problems =
      Validate("apiVersion: levada.dev/v1alpha1\nkind: Pipeline\nmetadata: 3\nspec: {}\n");
  EXPECT_EQ(problems.size(), 3u) << problems.ToText();
}

TEST(ReaderTest, StopsAtAThousandProblems) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) base::StrAppend(&text, "zzzzz", i, ": 1, ");
  const Manifests manifests = ReadManifests(text.substr(0, 1 << 20), "many.yaml");
  EXPECT_LE(manifests.problems.size(), Problems::kMaxProblems);
  text += "}";
  const Problems problems =
      ReadManifests("kind: Pipeline\n---\n" + text.substr(0, 900'000) + "}", "many.yaml").problems;
  EXPECT_LE(problems.size(), Problems::kMaxProblems);
}

TEST(ReaderTest, ExpandsAnchorsAndMergeKeys) {
  const Manifests manifests = ReadManifests(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  topics:
  - &defaults {name: a, partitions: 6, retention: 7d}
  - {<<: *defaults, name: b}
  - <<: [{name: c, partitions: 2}, *defaults]
)",
                                            "merge.yaml");
  EXPECT_EQ(manifests.problems.ToText(), "");
  const auto& topics = manifests.documents.at(0).pipeline.spec().topics();
  EXPECT_EQ(topics[1].name(), "b");
  EXPECT_EQ(topics[1].partitions(), 6u);
  EXPECT_EQ(topics[2].name(), "c");
  EXPECT_EQ(topics[2].partitions(), 2u);
  EXPECT_EQ(topics[2].retention(), "7d");
}

TEST(ReaderTest, TakesWhatTheApiServerAdds) {
  std::string text = kGoodManifest;
  text.replace(text.find("{name: shop}"), 12,
               "{name: shop, uid: 4f, generation: 3, creationTimestamp: 2026-11-02T08:00:00Z, "
               "resourceVersion: \"17\", managedFields: [{manager: kubectl}]}");
  text += "status: {conditions: []}\n";
  EXPECT_EQ(FirstProblem(text), "");
}

// https://hitchdev.com/strictyaml/why/implicit-typing-removed: `no` is Norway.
TEST(ReaderTest, AsksForQuotesWhereYamlSeesNoText) {
  for (const std::string word : {"no", "on", "y", "NO", "true", "~", "null", "12", "1.5", "1e3",
                                 "0x1F", "1_000", ".inf", "+3", "010"}) {
    const std::string text =
        base::StrCat("kind: Pipeline\nmetadata:\n  name: x\n  labels: {a: ", word, "}\n");
    EXPECT_THAT(FirstProblem(text), HasSubstr("test.yaml:4:15: metadata.labels.a: expected text"))
        << word;
    EXPECT_EQ(FirstProblem("kind: Pipeline\nmetadata:\n  name: x\n  labels: {a: '" + word + "'}\n")
                  .find("labels"),
              std::string::npos)
        << word;
  }
  for (const std::string word :
       {"7d", "12:30", "2026-11-02", "1.2.3", "nope", "a.b", "-", "0.0.0.0", "+", "1st"}) {
    const std::string text =
        base::StrCat("kind: Pipeline\nmetadata:\n  name: x\n  labels: {a: ", word, " }\n");
    EXPECT_EQ(FirstProblem(text).find("labels"), std::string::npos) << word;
  }
}

TEST(ReaderTest, ReadsJsonAsProgramsWriteIt) {
  const Manifests manifests = ReadManifests(
      "{\n\t\"kind\": \"Pipeline\",\n\t\"metadata\": {\"name\": \"a\", \"labels\": "
      "{\"a\": \"\\ud83d\\uDE00 \\u00e9 \\\\ud83d \\/\"}}}",
      "a.json");
  EXPECT_EQ(manifests.problems.ToText(), "");
  EXPECT_EQ(manifests.documents.at(0).pipeline.metadata().labels().at("a"),
            "\U0001F600 \u00e9 \\ud83d /");
  EXPECT_THAT(FirstProblem("{\"kind\": \"\\ud83d\"}"), HasSubstr("invalid Unicode"));
  EXPECT_THAT(FirstProblem("{\"kind\": \"\\ud8"), HasSubstr("test.yaml:1:"));
}

TEST(ReaderTest, ReadsEscapesOfYaml) {
  const Manifests manifests = ReadManifests(
      R"({kind: Pipeline, metadata: {name: a, labels: {a: "\x41\N\_\L\P\u00e9\U0001F600"}}})",
      "a.yaml");
  EXPECT_EQ(manifests.problems.ToText(), "");
  EXPECT_EQ(manifests.documents.at(0).pipeline.metadata().labels().at("a"),
            "A\u0085\u00A0\u2028\u2029\u00e9\U0001F600");
}

TEST(ReaderTest, TellsWhatIsNotYamlAndWhere) {
  const auto told = [](std::string_view text, std::string_view expected) {
    EXPECT_THAT(FirstProblem(text), HasSubstr(base::StrCat("test.yaml:", expected))) << text;
  };
  told(",", "1:1: not YAML: expected no more of this document");
  told("'a' b", "1:5: not YAML: expected no more of this document");
  told("a: 1\n...\nb: 2\n", "3:1: not YAML: expected no more of this document");
  told("a: ]", "1:4: not YAML: `]` closes nothing that is open here");
  told("a: @b", "1:4: not YAML: no value begins with `@`");
  told("é: \"a\\qb\"", "1:6: not YAML: `\\qb` is no escape");
  told("[é: 'a', \"b", "1:10: not YAML: the quoted text that begins here does not end");
  told("a: 'b\n---\nc: d'\n", "1:4: not YAML: the quoted text that begins here does not end");
  told("é:\n  - *x y", "2:5: no anchor `&x` before this");
  told("a: * b", "1:5: not YAML: `*` without the name of an anchor");
  told("a: 1\n\tb: 2\n", "2:1: not YAML: a tab in the indentation");
  told("a: 1\nb", "2:1: not YAML: expected `:` behind this key");
  told("a: 1\nb c\n\n", "2:1: not YAML: expected `:` behind this key");
  told("a: |x\n b\n", "1:5: not YAML: text in the line of `|` or `>`");
  told("{\"a\": {\"b\": [1]}", "1:17: not YAML: expected `,` or `}` in the map that starts at 1:1");
  told("{a: [b}", "1:7: not YAML: `}` closes nothing that is open here");
}

TEST(ReaderTest, StopsAtSixtyFourLevelsHoweverTheyAreWritten) {
  std::string blocks;
  for (int i = 0; i < 100'000; ++i) blocks += "- ";
  EXPECT_EQ(FirstProblem(blocks), "test.yaml:1:131: more than 64 levels deep\n");
  for (const std::string_view opening : {"[", "{a: ", "? ", "[a: ", "{{"}) {
    std::string text;
    while (text.size() < 100'000) text += opening;
    EXPECT_THAT(FirstProblem(text), HasSubstr("more than 64 levels deep")) << opening;
  }
}

TEST(ReaderTest, PointsBehindTheColonOfWhatIsLeftOut) {
  const std::string head = "apiVersion: levada.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\n";
  EXPECT_THAT(FirstProblem(head + "spec: # none: here\n# nor here:\n\n"), HasSubstr("4:6: spec: "));
  EXPECT_THAT(FirstProblem(head + "spec: &anchor\n"), HasSubstr("4:7: spec: "));
  EXPECT_THAT(FirstProblem(head + "spec:\n  topics:\n  -\n  - {name: x}\n"),
              HasSubstr("6:4: spec.topics[0]: "));
  EXPECT_THAT(FirstProblem(head + "spec: ~\n"),
              HasSubstr("4:7: spec: expected a map, got nothing `~`"));
  EXPECT_THAT(FirstProblem(head + "spec:\nnull: 1\n"),
              HasSubstr("4:6: spec: expected a map, got nothing\n"));
}

TEST(ReaderTest, ReadsSeveralDocuments) {
  std::string second = kGoodManifest;
  second.replace(second.find("name: shop"), 10, "name: shop2");
  const std::string text = base::StrCat("---\n", kGoodManifest, "---\n# nothing\n---\n", second);
  const Manifests manifests = ReadManifests(text, "two.yaml");
  EXPECT_EQ(manifests.problems.ToText(), "");
  ASSERT_EQ(manifests.documents.size(), 2u);
  EXPECT_EQ(manifests.documents[1].pipeline.metadata().name(), "shop2");
}

TEST(ReaderTest, ReadsWhatKubectlGetWrites) {
  const auto item = [](const std::string& name) {
    std::string text = kGoodManifest;
    text.replace(text.find("name: shop"), 10, "name: " + name + ", uid: 1234, generation: 2");
    text += "status: {phase: Running}\n";
    absl::StrReplaceAll({{"\n", "\n  "}}, &text);
    return "- " + text.substr(0, text.size() - 2);
  };
  for (const std::string kind :
       {"apiVersion: v1\nkind: List\n", "apiVersion: levada.dev/v1alpha1\nkind: PipelineList\n"}) {
    const std::string text =
        kind + "metadata: {resourceVersion: \"\"}\nitems:\n" + item("one") + item("two");
    const Manifests manifests = ReadManifests(text, "list.yaml");
    EXPECT_EQ(manifests.problems.ToText(), "") << text;
    ASSERT_EQ(manifests.documents.size(), 2u);
    EXPECT_EQ(manifests.documents[1].pipeline.metadata().name(), "two");
    for (const Document& document : manifests.documents) EXPECT_TRUE(Check(document).empty());
  }
}

TEST(ReaderTest, RendersProblemsAsJson) {
  const std::string json = Validate("kind: Pipelin\n", "a \"b\".yaml").ToJson();
  const auto parsed = nlohmann::json::parse(json);
  EXPECT_EQ(parsed["problems"][0]["file"], "a \"b\".yaml");
  EXPECT_EQ(parsed["problems"][0]["line"], 1);
  EXPECT_EQ(parsed["problems"][0]["column"], 7);
  EXPECT_EQ(parsed["problems"][0]["severity"], "error");
  EXPECT_EQ(parsed["more"], false);
}

TEST(LoadPipelineTest, GivesOnePipelineWithDefaultsOrAllProblems) {
  const auto pipeline = LoadPipeline(kGoodManifest, "good.yaml");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->spec().stages(1).scoring().commit_interval(), "100ms");
  EXPECT_EQ(pipeline->metadata().namespace_(), "default");

  const auto two = LoadPipeline(base::StrCat(kGoodManifest, "---\n", kGoodManifest), "two.yaml");
  EXPECT_THAT(std::string(two.status().message()), HasSubstr("a second pipeline `shop`"));
  const auto none = LoadPipeline("", "none.yaml");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace levada::pipeline
