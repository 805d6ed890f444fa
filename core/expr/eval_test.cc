// Bounds on what one evaluation may take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/expr/eval_for_test.h"

namespace levada::expr {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kExhausted = "too many steps or too much memory";

std::string Numbers(int count) {
  std::string event = R"({"list": [0)";
  for (int i = 1; i < count; ++i) event += ",1";
  return event + "]}";
}

TEST(Bounds, LoopsInLoopsEnd) {
  EXPECT_THAT(EvalForTest("list.all(a, list.all(b, list.all(c, true)))", Numbers(500)),
              HasSubstr(kExhausted));
  EXPECT_EQ(EvalForTest("list.all(a, list.all(b, true))", Numbers(500)), "true");
}

TEST(Bounds, ExhaustionIsNotAbsorbed) {
  EXPECT_THAT(EvalForTest("list.all(a, list.all(b, list.all(c, true))) || true", Numbers(500)),
              HasSubstr(kExhausted));
}

TEST(Bounds, TextThatDoublesEnds) {
  std::string source = "x", close;
  for (int i = 0; i < 60; ++i) {
    source = "cel.bind(x, x + x, " + source;
    close += ")";
  }
  EXPECT_THAT(EvalForTest("cel.bind(x, event.x, " + source + close + ")", R"({"x": "abcdefgh"})"),
              HasSubstr(kExhausted));
}

TEST(Bounds, SharedListsAreNotComparedForEver) {
  std::string source = "x == y", close;
  for (int i = 0; i < 60; ++i) {
    source = "cel.bind(x, [x, x], cel.bind(y, [y, y], " + source;
    close += "))";
  }
  EXPECT_THAT(EvalForTest("cel.bind(x, event.x, cel.bind(y, event.x, " + source + close + "))",
                          R"({"x": 1})"),
              HasSubstr(kExhausted));
}

TEST(Bounds, SharedListsAreNotWrittenForEver) {
  std::string source = "x", close;
  for (int i = 0; i < 60; ++i) {
    source = "cel.bind(x, [x, x], " + source;
    close += ")";
  }
  EXPECT_EQ(EvalForTest("cel.bind(x, event.x, " + source + close + ")", R"({"x": 1})"),
            "too large");
}

TEST(Bounds, ALongListIsNotIndexedForEver) {
  EXPECT_THAT(EvalForTest("list.all(a, list.all(b, list[1999] == 1))", Numbers(2000)),
              HasSubstr(kExhausted));
}

TEST(Eval, TestWantsABool) {
  Env env;
  const auto program = Compile("x", &env);
  ASSERT_TRUE(program.ok());
  std::vector<json::Value> slots(1);
  json::ScanInfo info;
  base::Arena arena;
  Activation activation(env, &arena);
  for (const auto& [event, message] : {std::pair<std::string_view, std::string_view>{
                                           R"({"x": 1})", "expected a bool, found double"},
                                       {R"({})", "no such key: x"}}) {
    ASSERT_TRUE(json::Scan(event, env.fields(), slots, &info).ok());
    activation.Begin(event, slots);
    EXPECT_EQ(program->Test(activation).status().message(), base::AbslView(message));
  }
  ASSERT_TRUE(json::Scan(R"({"x": true})", env.fields(), slots, &info).ok());
  activation.Begin(R"({"x": true})", slots);
  EXPECT_TRUE(*program->Test(activation));
}

TEST(Eval, PatternsMayBeComputed) {
  EXPECT_EQ(EvalForTest("['a1', 'b'].map(t, t.matches(p))", R"({"p": "[0-9]"})"), "[true,false]");
  EXPECT_THAT(EvalForTest("'a'.matches(p)", R"({"p": "("})"),
              HasSubstr("not a regular expression"));
}

TEST(Eval, LongConstantListsAreSets) {
  const std::string_view list = "['a','b','c','d','e','f','g','h','i','j']";
  EXPECT_EQ(EvalForTest(base::StrCat("x in ", list), R"({"x": "j"})"), "true");
  EXPECT_EQ(EvalForTest(base::StrCat("x in ", list), R"({"x": "z"})"), "false");
  EXPECT_EQ(EvalForTest(base::StrCat("x in ", list), R"({"x": 1})"), "false");
}

}  // namespace
}  // namespace levada::expr
