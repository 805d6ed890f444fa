#include "core/pipeline/source_map.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/pipeline/yaml.h"

namespace levada::pipeline {
namespace {

// Where `what` begins, as found by way of the decoded value: "line:column".
std::string Place(std::string_view text, std::string_view what) {
  const auto source = std::make_shared<const SourceText>("a.yaml", text);
  Problems problems;
  const std::vector<YamlNode> documents = ParseYaml(source, &problems);
  EXPECT_EQ(problems.ToText(), "");
  const YamlNode& value = documents.at(0).entries.at(0).value;
  SourceMap map;
  map.Set("x", value.span, value.span);
  const size_t offset = value.text.find(what);
  EXPECT_NE(offset, std::string::npos) << value.text;
  const Problem problem = map.Inside("x", value.text, offset, "");
  return base::StrCat(problem.line, ":", problem.column);
}

TEST(SourceMapTest, FindsOffsetsInScalarsOfEveryStyle) {
  EXPECT_EQ(Place("x: a + BAD", "BAD"), "1:8");
  EXPECT_EQ(Place("x: a +\n   b +\n   BAD", "BAD"), "3:4");
  EXPECT_EQ(Place("x: a +   \n\n\n   b + BAD", "BAD"), "4:8");
  EXPECT_EQ(Place("x: 'it''s ''a'' BAD'", "BAD"), "1:17");
  EXPECT_EQ(Place("x: 'it''s\n\n  two\n  BAD'", "BAD"), "4:3");
  EXPECT_EQ(Place(R"(x: "a \"b\" \x41\u00e9\U0001F600 BAD")", "BAD"), "1:34");
  EXPECT_EQ(Place("x: \"a \\\n   b\n   BAD\"", "BAD"), "3:4");
  EXPECT_EQ(Place("x: |\n  one\n  two BAD\n", "BAD"), "3:7");
  EXPECT_EQ(Place("x: |\n\n  one\n\n    deep BAD\n", "BAD"), "5:10");
  EXPECT_EQ(Place("x: |-  # note\r\n  one\r\n  BAD", "BAD"), "3:3");
  EXPECT_EQ(Place("x: |2-\n    one\n    BAD\n", "BAD"), "3:5");
  EXPECT_EQ(Place("x: >\n  one\n  two BAD\n", "BAD"), "3:7");
  EXPECT_EQ(Place("x: >-\n  one\n\n\n  two\n  BAD\n", "BAD"), "6:3");
  EXPECT_EQ(Place("x: &anchor !!str é BAD", "BAD"), "1:20");
}

TEST(SourceMapTest, TellsOfTheNearestValueThatIsThere) {
  const auto source = std::make_shared<const SourceText>("a.yaml", "a: 1\nb:\n  c: 2\n");
  SourceMap map;
  map.Set("", {source, 0}, {source, 0});
  map.Set("b", {source, 10}, {source, 5});
  map.Set("b[\"x.y\"]", {source, 13}, {source, 10});
  EXPECT_EQ(map.At("b.c[3].d", "").line, 3);
  EXPECT_EQ(map.At("z.y", "").line, 1);
  EXPECT_EQ(map.AtKey("b", "").line, 2);
  EXPECT_EQ(map.At("b[\"x.y\"].z", "").column, 6);
  map.Erase("b");
  EXPECT_FALSE(map.Has("b[\"x.y\"]"));
  EXPECT_TRUE(map.Has(""));
}

}  // namespace
}  // namespace levada::pipeline
