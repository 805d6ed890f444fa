// What the compiler says about expressions that are wrong, and what it knows of those that are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/expr/program.h"

namespace levada::expr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Env Declared() {
  Env env;
  env.DeclareField("transaction_amt", FieldType::kDouble);
  env.DeclareField("country", FieldType::kString);
  env.DeclareField("event_time", FieldType::kTimestamp);
  env.DeclareField("count", FieldType::kLong);
  env.set_closed(true);
  return env;
}

std::string Message(std::string_view source, Type expected = Type::Dyn()) {
  Env env = Declared();
  const auto program = Compile(source, &env, expected);
  return program.ok() ? "ok" : std::string(program.status().message());
}

TEST(Compile, SaysWhereAndWhatIsWrong) {
  EXPECT_EQ(Message("1 +"), "1:4: expected a value, found the end of the expression");
  EXPECT_EQ(Message("count = 1"), "1:7: unexpected '='; equality is written ==");
  EXPECT_EQ(Message("count > 1 & true"), "1:11: unexpected '&'; write &&");
  EXPECT_EQ(Message("'é' + (1"), "1:9: expected ')', found the end of the expression");
  EXPECT_EQ(Message("count ==\n  §"), "2:3: unexpected character '§'");
  EXPECT_EQ(Message("'abc"), "1:1: the string is not closed");
  EXPECT_EQ(Message("namespace == 1"),
            "1:1: 'namespace' is a reserved word; a field of that name is written event.namespace");
}

TEST(Compile, AUnknownNameOfAClosedTopicIsAnErrorWithTheNearestOne) {
  EXPECT_EQ(Message("transaction_amount > 1"),
            "1:1: no such field: 'transaction_amount'; did you mean 'transaction_amt'?");
  EXPECT_EQ(Message("event.contry"), "1:7: no such field: 'contry'; did you mean 'country'?");
  EXPECT_EQ(Message("event['contry']"), "1:6: no such field: 'contry'; did you mean 'country'?");
  EXPECT_EQ(Message("has(event.xyz)"), "1:11: no such field: 'xyz'");
  EXPECT_EQ(Message("meta.partion"),
            "1:6: meta has no 'partion'; it has key, topic, partition, offset, timestamp, headers");
  EXPECT_EQ(Message("contry.startWith('D')"),
            "1:1: no such field: 'contry'; did you mean 'country'?\n"
            "1:8: no such function: 'startWith'; did you mean 'startsWith'?");
}

TEST(Compile, ConstantArgumentsAreChecked) {
  EXPECT_EQ(Message("event_time.getHours('Europe/Berlim') > 1"),
            "1:21: no such time zone: 'Europe/Berlim'");
  EXPECT_EQ(
      Message("event_time.truncate('hours')"),
      "1:21: no such unit: 'hours'; there are second, minute, hour, day, week, month, quarter, "
      "year");
  EXPECT_EQ(Message("event_time.truncate('day', 'CET+1')"), "1:28: no such time zone: 'CET+1'");
  EXPECT_EQ(Message("parseTime(country, '%Y', 'x')"), "1:26: no such time zone: 'x'");
  EXPECT_EQ(Message("regex.extract(country, '(')"), "1:24: not a regular expression: '('");
  EXPECT_EQ(Message("regex.groups(country, '(a)')"),
            "1:23: the pattern has no group like (?P<name>…)");
  EXPECT_EQ(Message("parseTime('x', '%Y')"), "1:1: parseTime: 'x' is not like '%Y'");
}

TEST(Compile, AnOpenTopicTakesAnyName) {
  Env env;
  EXPECT_TRUE(Compile("anything.at_all > 1", &env).ok());
}

TEST(Compile, TypesThatCannotFitAreErrors) {
  EXPECT_EQ(Message("country > 1"), "1:9: '>' does not take string and int");
  EXPECT_EQ(Message("country + 1"), "1:9: '+' does not take string and int; use string()");
  EXPECT_EQ(Message("event_time > '2026-01-01'"),
            "1:12: '>' does not take timestamp and string; write "
            "timestamp(\"2026-01-31T00:00:00Z\")");
  EXPECT_EQ(Message("!count"), "1:1: '!' wants a bool, found int");
  EXPECT_EQ(Message("count ? 1 : 2"), "1:7: the condition of '?' is a int, not a bool");
  EXPECT_EQ(Message("'D' in country"), "1:5: 'in' does not take string and string; use contains()");
  EXPECT_EQ(Message("transaction_amt % 2"), "1:17: '%' does not take double and int; use int()");
  EXPECT_EQ(Message("country.substring('1')"),
            "1:9: there is no string.substring(string); there is string.substring(int), "
            "string.substring(int, int)");
  EXPECT_EQ(Message("country.foo"), "1:9: a value of type string has no field 'foo'");
  EXPECT_EQ(Message("[1].all(x, x + 1)"), "1:14: the condition of all() is a int, not a bool");
  EXPECT_EQ(Message("trim(country)"), "1:1: 'trim' is written value.trim(…)");
}

TEST(Compile, AllProblemsAreToldInTheirOrder) {
  Env env = Declared();
  std::vector<Problem> problems;
  EXPECT_FALSE(
      Compile("cuntry == 'DE' &&\n  count > 'x' ||\n  nope()", &env, Type::Dyn(), &problems).ok());
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].line, 1);
  EXPECT_EQ(problems[0].column, 1);
  EXPECT_EQ(problems[1].line, 2);
  EXPECT_EQ(problems[1].column, 9);
  EXPECT_EQ(problems[2].line, 3);
  EXPECT_EQ(problems[2].column, 3);
}

TEST(Compile, APlaceMayWantAType) {
  EXPECT_EQ(Message("transaction_amt", {Kind::kBool}),
            "1:1: expected a bool, but this is a double");
  EXPECT_EQ(Message("transaction_amt > 1", {Kind::kBool}), "ok");
  EXPECT_EQ(Message("count", {Kind::kDouble}), "ok");
  Env open;
  EXPECT_TRUE(Compile("flag", &open, {Kind::kBool}).ok());
}

TEST(Compile, ConstantArgumentsThatCanOnlyFailAreErrors) {
  EXPECT_THAT(Message("event_time > timestamp('yesterday')"), HasSubstr("1:14: not a timestamp"));
  EXPECT_THAT(Message("country.matches('(')"), HasSubstr("1:17: not a regular expression"));
  EXPECT_THAT(Message("duration('1 day')"), HasSubstr("not a duration"));
}

TEST(Compile, KnowsTypes) {
  const std::pair<std::string_view, std::string_view> kTypes[] = {
      {"transaction_amt + 1", "double"},
      {"1 + transaction_amt", "double"},
      {"count + 1", "int"},
      {"count > 1 && country == 'DE'", "bool"},
      {"event_time - event_time", "duration"},
      {"event_time + duration('1h')", "timestamp"},
      {"country.split(',')", "list(string)"},
      {"country.split(',')[0]", "string"},
      {"[1, 2].map(x, x * 2.0)", "list(double)"},
      {"{'a': 1}", "map(string, int)"},
      {"count > 1 ? 'a' : 'b'", "string"},
      {"count > 1 ? 'a' : 1", "dyn"},
      {"meta.timestamp", "timestamp"},
      {"meta.headers['x']", "string"},
      {"math.abs(transaction_amt)", "double"},
      {"type(count)", "type"},
      {"event['count']", "int"},
  };
  for (const auto& [source, type] : kTypes) {
    Env env = Declared();
    const auto program = Compile(source, &env);
    ASSERT_TRUE(program.ok()) << source << ": " << program.status();
    EXPECT_EQ(program->type().ToString(), type) << source;
  }
}

TEST(Compile, TellsWhatItUses) {
  Env env = Declared();
  const auto program = Compile("country == 'DE' && event.count > 1 && has(event.country)", &env);
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_THAT(program->fields(), ElementsAre("country", "count"));
  EXPECT_FALSE(program->uses_meta());
  EXPECT_FALSE(program->uses_document());
  EXPECT_FALSE(program->constant());
  EXPECT_EQ(env.fields().size(), 2);

  const auto meta = Compile("meta.offset", &env);
  ASSERT_TRUE(meta.ok());
  EXPECT_TRUE(meta->uses_meta());
  EXPECT_THAT(meta->fields(), IsEmpty());
  const auto whole = Compile("size(event)", &env);
  ASSERT_TRUE(whole.ok());
  EXPECT_TRUE(whole->uses_document());
}

TEST(Compile, ComputesConstants) {
  Env env;
  for (std::string_view source :
       {"1 + 2 * 3", "['a', 'b'].join(',')", "timestamp('2026-01-01T00:00:00Z') + duration('1h')",
        "{'a': [1, 2]}.a[0]", "'x'.matches('x') ? 1 : 2"}) {
    const auto program = Compile(source, &env);
    ASSERT_TRUE(program.ok()) << source << ": " << program.status();
    EXPECT_TRUE(program->constant()) << source;
  }
}

TEST(Compile, HostileSourcesAreRefused) {
  const auto repeat = [](std::string_view text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  EXPECT_THAT(Message(repeat("(", 10000)), HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(repeat("[", 10000)), HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(base::StrCat(repeat("!", 10000), "true")), HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(base::StrCat(repeat("-", 10000), "count")), HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(base::StrCat("1", repeat(" + 1", 10000))), HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(base::StrCat("country", repeat(".a", 10000))),
              HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(base::StrCat(repeat("[1].map(x, ", 5000), "1", repeat(")", 5000))),
              HasSubstr("nested deeper than"));
  EXPECT_THAT(Message(repeat("1", 100000)), HasSubstr("longer than 65536 bytes"));
  EXPECT_EQ(Message(base::StrCat("true", repeat(" && true", 5000))), "ok");  // one flat node
  EXPECT_EQ(Message(base::StrCat(repeat("(", 200), "1", repeat(")", 200))), "ok");
}

}  // namespace
}  // namespace levada::expr
