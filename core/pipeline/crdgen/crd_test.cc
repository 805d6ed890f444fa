#include "core/pipeline/crdgen/crd.h"

#include <re2/re2.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.h"
#include "core/pipeline/crdgen/schema.h"
#include "core/pipeline/docgen/described.h"
#include "core/pipeline/format.h"
#include "core/pipeline/testing.h"
#include "core/pipeline/yaml.h"
#include "gmock/gmock.h"

namespace levada::pipeline {
namespace {

// Calls `visit` for `schema` and every schema in it, with its path.
template <typename Visit>
void VisitSchemas(const CrdJson& schema, const std::string& path, const Visit& visit) {
  visit(path, schema);
  if (schema.contains("properties")) {
    for (const auto& [key, value] : schema["properties"].items()) {
      VisitSchemas(value, base::StrCat(path, ".", key), visit);
    }
  }
  if (schema.contains("items")) VisitSchemas(schema["items"], path + "[]", visit);
  if (schema.contains("additionalProperties")) {
    VisitSchemas(schema["additionalProperties"], path + "{}", visit);
  }
}

CrdJson SchemaOfMessage(std::string_view name) {
  const auto pool = ReadDescriptors(ReadTestFile(LEVADA_DESCRIPTORS));
  EXPECT_TRUE(pool.ok()) << pool.status();
  return SchemaOf(*(*pool)->FindMessageTypeByName(base::StrCat("levada.v1.", name)));
}

CrdJson FromYaml(const YamlNode& node) {
  CrdJson out;
  if (node.kind == YamlNode::Kind::kSequence) {
    out = CrdJson::array();
    for (const YamlNode& item : node.items) out.push_back(FromYaml(item));
  } else if (node.kind == YamlNode::Kind::kMapping) {
    out = CrdJson::object();
    for (const auto& [key, value] : node.entries) out[key.text] = FromYaml(value);
  } else {
    out = TypeOf(node) == ScalarType::kText ? CrdJson(node.text) : CrdJson::parse(node.text);
  }
  return out;
}

TEST(CrdTest, FitsIntoTheAnnotationOfKubectlApply) {
  const auto yaml = Crd(ReadTestFile(LEVADA_DESCRIPTORS));
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  Problems problems;
  const auto documents =
      ParseYaml(std::make_shared<const SourceText>("crd.yaml", *yaml), &problems);
  ASSERT_EQ(documents.size(), 1u) << problems.ToText();
  const size_t bytes = FromYaml(documents[0]).dump().size();
  EXPECT_LT(bytes, 262144u / 2) << "room for two versions of the schema in one CRD";
  RecordProperty("last_applied_bytes", static_cast<int>(bytes));
}

TEST(CrdTest, EverythingIsBounded) {
  VisitSchemas(
      SchemaOfMessage("PipelineSpec"), "spec", [](const std::string& path, const CrdJson& schema) {
        const std::map<std::string, std::string> bounds = {
            {"string", "maxLength"}, {"array", "maxItems"}, {"integer", "minimum"}};
        const auto bound = bounds.find(schema.value("type", "string"));  // a quantity has no type
        if (bound != bounds.end() && !schema.contains("enum")) {
          EXPECT_TRUE(schema.contains(bound->second)) << path;
        }
        if (schema.contains("additionalProperties")) {
          EXPECT_TRUE(schema.contains("maxProperties")) << path;
        }
      });
}

TEST(CrdTest, EveryFieldIsDescribedAndNoneHasADefault) {
  const auto visit = [](const std::string& path, const CrdJson& schema) {
    EXPECT_FALSE(schema.contains("default")) << path;
    if (path.ends_with("[]") || path.ends_with("{}")) return;
    EXPECT_FALSE(schema.value("description", "").empty()) << path;
  };
  VisitSchemas(SchemaOfMessage("PipelineSpec"), "spec", visit);
  VisitSchemas(SchemaOfMessage("PipelineStatus"), "status", visit);
}

TEST(CrdTest, EveryListSaysHowItIsMerged) {
  std::map<std::string, std::string> kinds;
  VisitSchemas(SchemaOfMessage("PipelineSpec"), "spec",
               [&](const std::string& path, const CrdJson& schema) {
                 if (schema.value("type", "") != "array") return;
                 kinds[path] = schema.value("x-kubernetes-list-type", "");
                 if (kinds[path] != "map") return;
                 const std::string key = schema["x-kubernetes-list-map-keys"][0];
                 EXPECT_THAT(schema["items"]["required"].get<std::vector<std::string>>(),
                             testing::Contains(key))
                     << path;
               });
  EXPECT_EQ(kinds["spec.topics"], "map");
  EXPECT_EQ(kinds["spec.stages"], "map");
  EXPECT_EQ(kinds["spec.topics[].fields"], "map");
  EXPECT_EQ(kinds["spec.stages[].scoring.steps"], "atomic");
  EXPECT_EQ(kinds["spec.stages[].scoring.steps[].rules.rules"], "atomic");
  EXPECT_EQ(kinds["spec.stages[].scoring.steps[].drop"], "set");
}

// What the reader takes, the pattern takes; what `only_reader` holds, only the reader refuses.
void ExpectAll(v1::Format format, std::initializer_list<std::string_view> good,
               std::initializer_list<std::string_view> bad,
               std::initializer_list<std::string_view> only_reader = {}) {
  const re2::RE2 pattern{std::string(PatternOf(format))};
  ASSERT_TRUE(pattern.ok()) << pattern.error();
  const auto matches = [&](std::string_view text) {
    // As the CRD has it: text of a format is never empty.
    return (format == v1::LABEL_VALUE || !text.empty()) &&
           re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
  };
  for (const std::string_view text : good) {
    EXPECT_EQ(FormatProblem({}, format, text), "") << text;
    EXPECT_TRUE(matches(text)) << v1::Format_Name(format) << ": " << text;
  }
  for (const std::string_view text : bad) {
    EXPECT_NE(FormatProblem({}, format, text), "") << text;
    EXPECT_FALSE(matches(text)) << v1::Format_Name(format) << ": " << text;
  }
  for (const std::string_view text : only_reader) {
    EXPECT_NE(FormatProblem({}, format, text), "") << text;
    EXPECT_TRUE(matches(text)) << v1::Format_Name(format) << ": " << text;
  }
}

TEST(CrdTest, PatternsTakeWhatTheReaderTakes) {
  ExpectAll(v1::NAME, {"a", "a-b", "0a"}, {"", "-a", "a-", "A", "a_b", "a.b", "é", "a\n"});
  ExpectAll(v1::TOPIC_NAME, {"a", "A_b-c.d", "...", "..a", ".a", "...a"},
            {"", ".", "..", "a b", "a/b"}, {"__consumer_offsets"});
  ExpectAll(v1::FIELD, {"a", "cs-uri-stem", "cs(Host)", "größe"}, {"", "a.b", "a\nb"});
  ExpectAll(v1::URL, {"http://a", "https://a.b:9200/x?y#z", "http://[::1]:80/", "http://a/b@c"},
            {"", "a", "ftp://a", "http://", "http://a b", "http://u@a", "http://a\nb"},
            {"http://a:0", "http://:80", "http://[::1"});
  ExpectAll(v1::FILE, {"a", "../a b", "/x/ü.json"}, {"", "a\nb"});
  ExpectAll(v1::PATH, {"/", "/a/b"}, {"", "a", "/a b", "/a?b", "/a#b"});
  ExpectAll(v1::FOLDER, {"a", "a/b.c", "..a", "...", ".a/...b"},
            {"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb"});
  ExpectAll(v1::INDEX_NAME, {"a", "logs-2026.11"},
            {"", "A", "-a", "_a", "+a", "a b", "a/b", "a*", "a:b", "a#b"}, {".", ".."});
  ExpectAll(v1::EMAIL, {"a@b", "a.b+c@d.example"},
            {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b,c@d", "A <a@b>", "a@b\r\nBcc: c@d"});
  ExpectAll(v1::HOST, {"a", "a.b-c", "127.0.0.1", "::1", "::ffff:1.2.3.4"},
            {"", "a:25", "a b", "-a", "a/", "::g"}, {":::"});
  ExpectAll(v1::BROKERS, {"a:1", "a:1,b:2", "a:1, b:2", " a:1 ,b:2 ", "[::1]:9092"},
            {"", "a", "a:1,", "a:1,b", ":9092", "a:1;b:2"}, {"a:0"});
  ExpectAll(v1::DURATION, {"0", "500ms", "1h30m", "7d", "1.5s", "1d2h3m4s5ms"},
            {"", "1", "1w", "-1s", "1s1h", "1ms1s"}, {"100001d"});
  ExpectAll(v1::BYTES, {"0", "512", "64Ki", "1Gi", "1.5 MB", "3K", "2MiB", "7B"},
            {"", "x", "-1", "1Zi", "1 Kii"});
  ExpectAll(v1::QUANTITY, {"0", "2", "500m", "0.5", "512Mi", "1G"},
            {"", "x", "-1", "1Zi", "1.", ".5", "1 Gi", "1K"});
  ExpectAll(v1::OBJECT_NAME, {"a", "a-b", "a.b-c.d0"}, {"", "A", ".a", "a.", "a..b", "-a", "a-.b"});
  ExpectAll(v1::LABEL_KEY, {"a", "a.b/C_d", "levada.dev/x-1.y"},
            {"", "/a", "a/", "a/b/c", "A/b", "-a", "a b"});
  ExpectAll(v1::LABEL_VALUE, {"", "a", "A_b.c-1"}, {"-a", "a-", "a b", "é"});
  ExpectAll(v1::ENV_NAME, {"A", "_a1", "LEVADA_X"}, {"", "1A", "A-B", "a.b"});
  ExpectAll(v1::IMAGE, {"a", "registry:5000/levada/scoring:1.0", "a@sha256:0f"},
            {"", ":a", "a b", "/a"});
  ExpectAll(v1::SHA256, {std::string(64, 'a'), std::string(64, 'F')},
            {"", std::string(63, '0'), std::string(65, '0'), std::string(64, 'g')});
  ExpectAll(v1::SETTING, {"retention.ms", "min.insync.replicas"}, {"", "A", "1a", "a b"});
}

}  // namespace
}  // namespace levada::pipeline
