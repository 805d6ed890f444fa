#include "core/aggregate/aggregate_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/aggregate/testing.h"
#include "core/aggregate/window.h"

namespace levada::aggregate {
namespace {

using expr::FieldType;
using expr::Kind;
using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

// The results over events, one second after the other.
std::string Over(std::vector<Call> calls, const std::vector<std::string>& events,
                 expr::Env env = expr::Env()) {
  TestSet test(std::move(calls), Use::kWindow, std::move(env));
  WindowState state(&test.set());
  OwnedBlob blob;
  int64_t time = 0;
  for (const std::string& event : events) {
    std::string error;
    const Inputs& inputs = test.Evaluate(event, &error);
    if (!error.empty()) return error;
    state.Add(&blob, time += kSecond, inputs);
    EXPECT_TRUE(state.Check(&blob).ok()) << state.Check(&blob);
  }
  std::vector<expr::Value> results(test.set().size());
  state.Results(&blob, &test.arena(), results);
  return Show(results);
}

std::string Over(const std::string& call, const std::vector<std::string>& events) {
  return Over(std::vector<Call>{{call, ""}}, events);
}

std::string ProblemsOf(const std::string& call, const std::string& where = "",
                       Use use = Use::kWindow) {
  expr::Env env;
  env.DeclareField("name", FieldType::kString);
  env.DeclareField("amount", FieldType::kDouble);
  env.DeclareField("flag", FieldType::kBoolean);
  env.set_closed(true);
  const Call calls[] = {{call, where}};
  std::vector<CallProblem> problems;
  const auto set = AggregateSet::Compile(calls, use, &env, &problems);
  EXPECT_EQ(set.ok(), problems.empty());
  std::string text;
  for (const CallProblem& problem : problems) {
    base::StrAppend(&text, text.empty() ? "" : "\n", problem.in_where ? "where " : "",
                    problem.problem.line, ":", problem.problem.column, ": ",
                    problem.problem.message);
  }
  return text;
}

TEST(AggregateSet, EachFunction) {
  const std::vector<std::string> events = {R"({"x":3,"s":"b"})", R"({"x":-1.5,"s":"a"})",
                                           R"({"x":3,"s":"c"})"};
  EXPECT_EQ(Over("count()", events), "3");
  EXPECT_EQ(Over("sum(x)", events), "4.5");
  EXPECT_EQ(Over("avg(x)", events), "1.5");
  EXPECT_EQ(Over("min(x)", events), "-1.5");
  EXPECT_EQ(Over("max(x)", events), "3");
  EXPECT_EQ(Over("min(s)", events), R"("a")");
  EXPECT_EQ(Over("max(s)", events), R"("c")");
  EXPECT_EQ(Over("first(s)", events), R"("b")");
  EXPECT_EQ(Over("last(s)", events), R"("c")");
  EXPECT_EQ(Over("distinct(x)", events), "2");
  EXPECT_EQ(Over("distinct(s)", events), "3");
  EXPECT_EQ(Over("stddev(x)", events), "2.598076211353316");
  EXPECT_EQ(Over("sum(x * 2 + 1)", events), "12");
  EXPECT_EQ(Over("count(s.size() > 0 && x > 0)", events), "3");
}

TEST(AggregateSet, WhatIsNotThereIsSkipped) {
  const std::vector<std::string> events = {R"({"x":null})", R"({})", R"({"x":2})", R"({"y":1})"};
  EXPECT_EQ(Over("count()", events), "4");
  EXPECT_EQ(Over("count(x)", events), "1");
  EXPECT_EQ(Over("sum(x)", events), "2");
  EXPECT_EQ(Over("avg(x)", events), "2");
  EXPECT_EQ(Over("stddev(x)", events), "null");
  EXPECT_EQ(Over("first(x)", events), "2");
  EXPECT_EQ(Over("last(x)", events), "2");
  EXPECT_EQ(Over("distinct(x)", events), "1");
}

TEST(AggregateSet, OfNothing) {
  EXPECT_EQ(Over({{"count()"},
                  {"sum(x)"},
                  {"distinct(x)"},
                  {"avg(x)"},
                  {"stddev(x)"},
                  {"min(x)"},
                  {"max(x)"},
                  {"first(x)"},
                  {"last(x)"},
                  {"quantile(x, 0.5)"}},
                 {}),
            "0 0 0 null null null null null null null");
}

TEST(AggregateSet, NaNIsSkipped) {
  const std::vector<std::string> events = {R"({"x":0})", R"({"x":4})"};
  EXPECT_EQ(Over({{"sum(x / x)"}, {"count(x / x)"}, {"max(x / x)"}, {"last(x / x)"}}, events),
            "1 1 1 1");
}

TEST(AggregateSet, AnExpressionThatFailsIsAnError) {
  EXPECT_EQ(Over("sum(x + 1)", {R"({})"}), "sum(x + 1): no such key: x");
  EXPECT_EQ(Over("sum(x)", {R"({"x":"a"})"}), "sum(x): a number is expected, not string");
  EXPECT_EQ(Over("distinct(x)", {R"({"x":[1]})"}),
            "distinct(x): a single value is expected, not list");
  EXPECT_EQ(Over("sum(x)", {R"({"x":1e300})"}), "sum(x): a number beyond ±1e144 cannot be added");
  EXPECT_EQ(Over("avg(1 / x)", {R"({"x":0})"}),
            "avg(1 / x): a number beyond ±1e144 cannot be added");
  EXPECT_EQ(Over({{"count()", "x"}}, {R"({"x":1})"}),
            "where x: the condition is neither true nor false");
  EXPECT_EQ(Over("last(x)", {base::StrCat("{\"x\":\"", std::string(70'000, 'a'), "\"}")}),
            "last(x): text of 70000 bytes cannot be kept: the most are 65536");
}

TEST(AggregateSet, ConditionsGuardArguments) {
  EXPECT_EQ(Over({{"sum(x + 1)", "has(x)"}, {"count()", "has(x)"}, {"count()"}},
                 {R"({})", R"({"x":1})", R"({"x":5})"}),
            "8 2 3");
}

TEST(AggregateSet, SumsOfDeclaredIntegersAreIntegers) {
  expr::Env env;
  env.DeclareField("n", FieldType::kLong);
  EXPECT_EQ(Over({{"sum(n)"}, {"avg(n)"}, {"max(n)"}},
                 {R"({"n":9007199254740993})", R"({"n":9007199254740993})", R"({"n":-1})"},
                 std::move(env)),
            "18014398509481985 6004799503160662 9007199254740993");
}

TEST(AggregateSet, ASumBeyond64BitsIsAnErrorAsLongAsItIs) {
  const auto over = [](const std::vector<std::string>& events) {
    expr::Env env;
    env.DeclareField("n", FieldType::kLong);
    return Over({{"sum(n)"}}, events, std::move(env));
  };
  const std::string most = R"({"n":9223372036854775807})";
  EXPECT_EQ(over({most, R"({"n":1})"}), "error: the sum is beyond a whole number of 64 bits");
  EXPECT_EQ(over({most, most, R"({"n":-9223372036854775807})"}), "9223372036854775807");
}

TEST(AggregateSet, SumsAreRightWhateverTheOrder) {
  EXPECT_EQ(Over("sum(x)", {R"({"x":1e16})", R"({"x":1})", R"({"x":-1e16})"}), "1");
  EXPECT_EQ(Over("sum(x)", {R"({"x":0.1})", R"({"x":0.2})", R"({"x":0.3})", R"({"x":-0.6})"}),
            "2.7755575615628914e-17")
      << "what the doubles nearest to those numbers add up to";
  const std::string deviation = Over(
      "stddev(x)", {R"({"x":1000000000.1})", R"({"x":1000000000.2})", R"({"x":1000000000.3})"});
  EXPECT_NEAR(std::stod(deviation), 0.09999996423721905, 1e-12)
      << "doubles alone would be wrong in the second digit";
}

TEST(AggregateSet, ValuesOfDifferentKindsAreOrderedByKind) {
  const std::vector<std::string> events = {R"({"x":"a"})", R"({"x":7})", R"({"x":true})"};
  EXPECT_EQ(Over("min(x)", events), "true");
  EXPECT_EQ(Over("max(x)", events), R"("a")");
  EXPECT_EQ(Over("distinct(x)", {R"({"x":1})", R"({"x":1.0})", R"({"x":"1"})", R"({"x":true})"}),
            "3");
}

TEST(AggregateSet, TimesAndDurations) {
  expr::Env env;
  env.DeclareField("at", FieldType::kTimestamp);
  EXPECT_EQ(Over({{"min(at)"}, {"max(at)"}, {"max(at - timestamp('2026-01-01T00:00:00Z'))"}},
                 {R"({"at":"2026-01-01T00:00:01.5Z"})", R"({"at":"2026-01-01T00:00:00.5Z"})"},
                 std::move(env)),
            R"("2026-01-01T00:00:00.5Z" "2026-01-01T00:00:01.5Z" "1.5s")");
}

TEST(AggregateSet, LongTextTakesThePlaceOfShortAndBack) {
  const std::string text(5000, 'z');
  EXPECT_EQ(Over({{"last(x)"}, {"max(x)"}, {"first(x)"}},
                 {R"({"x":"a"})", base::StrCat("{\"x\":\"", text, "\"}"), R"({"x":"b"})"}),
            base::StrCat("\"b\" \"", text, "\" \"a\""));
}

TEST(AggregateSet, ResultsThatHoldTheSameShareTheirState) {
  TestSet test({{"quantile(x, 0.5)"}, {"quantile( x , 0.9)"}, {"sum(x)"}, {"sum(x)", "x > 0"}},
               Use::kWindow);
  EXPECT_EQ(test.set().accumulators().size(), 3);
}

TEST(AggregateSet, TypesOfResults) {
  expr::Env env;
  env.DeclareField("n", FieldType::kLong);
  env.DeclareField("s", FieldType::kString);
  env.DeclareField("d", FieldType::kDouble);
  TestSet test({{"count()"},
                {"sum(n)"},
                {"sum(d)"},
                {"sum(any)"},
                {"min(s)"},
                {"last(any)"},
                {"avg(n)"},
                {"distinct(s)"},
                {"time_since_last()"}},
               Use::kSliding, std::move(env));
  std::string types;
  for (size_t i = 0; i < test.set().size(); ++i)
    base::StrAppend(&types, test.set().type(i).ToString(), " ");
  EXPECT_EQ(types, "int int double double string dyn double int double ");
}

TEST(AggregateSet, WrongCallsAreExplainedAtTheirPlace) {
  EXPECT_EQ(ProblemsOf("cuont()"), "1:1: no such aggregate: 'cuont'; did you mean 'count'?");
  EXPECT_THAT(ProblemsOf("percentile_cont(amount)"), HasSubstr("there are count, sum, avg"));
  EXPECT_EQ(ProblemsOf("sum()"), "1:1: sum takes one argument, not 0: sum(x)");
  EXPECT_EQ(ProblemsOf("sum(amount, 1)"), "1:1: sum takes one argument, not 2: sum(x)");
  EXPECT_EQ(ProblemsOf("quantile(amount)"),
            "1:1: quantile takes two arguments, not 1: quantile(x, 0.95)");
  EXPECT_EQ(ProblemsOf("quantile(amount, 95)"),
            "1:18: the second argument of quantile is a number from 0 to 1, such as 0.95");
  EXPECT_EQ(ProblemsOf("quantile(amount, amount)"),
            "1:18: the second argument of quantile is a number from 0 to 1, such as 0.95");
  EXPECT_EQ(ProblemsOf("sum(amont)"), "1:5: no such field: 'amont'; did you mean 'amount'?");
  EXPECT_EQ(ProblemsOf("quantile(amount + (1, 0.5)"), "1:27: expected \")\"");
  EXPECT_EQ(ProblemsOf("sum(amount) / count()"),
            "1:13: an aggregate is one call: compute with its result in a step `set` behind");
  EXPECT_EQ(ProblemsOf("amount"), "1:1: no such aggregate: 'amount'; did you mean 'count'?");
  EXPECT_EQ(ProblemsOf("sum"), "1:4: expected \"(\": sum(x)");
  EXPECT_EQ(ProblemsOf("sum(name)"), "1:1: sum takes numbers, not a string");
  EXPECT_EQ(ProblemsOf("avg(flag)"),
            "1:1: avg takes numbers, not a bool; count the events by a condition `where`");
  EXPECT_EQ(ProblemsOf("distinct([name])"),
            "1:1: distinct takes single values, not a list(string)");
  EXPECT_EQ(ProblemsOf("count()", "amount"), "where 1:1: expected a bool, but this is a double");
  EXPECT_EQ(ProblemsOf("time_since_last()"),
            "1:1: time_since_last is of an event: a window has none");
  EXPECT_EQ(ProblemsOf("time_since_last()", "", Use::kSliding), "");
  EXPECT_EQ(ProblemsOf(""), "1:1: expected an aggregate such as count() or sum(x)");
  EXPECT_EQ(ProblemsOf("sum(\n  amount +\n  size('é') + amont)"),
            "3:15: no such field: 'amont'; did you mean 'amount'?");
}

TEST(AggregateSet, CommasInsideArgumentsAreTheirs) {
  EXPECT_EQ(Over("quantile([x, 2.0][0], 0.5)", {R"({"x":0})"}), "0");
  EXPECT_EQ(Over("max({'a': x, 'b,)': 2.0}['b,)'])", {R"({"x":0})"}), "2");
}

}  // namespace
}  // namespace levada::aggregate
