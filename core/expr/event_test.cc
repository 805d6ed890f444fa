// Expressions over events: where values come from and how their JSON is read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/expr/eval_for_test.h"

namespace levada::expr {
namespace {

using ::testing::HasSubstr;

TEST(Event, ABareNameIsAField) {
  EXPECT_EQ(EvalForTest("amount", R"({"amount": 12.5})"), "12.5");
  EXPECT_EQ(EvalForTest("event.amount", R"({"amount": 12.5})"), "12.5");
  EXPECT_EQ(EvalForTest("event['cs-uri-stem']", R"({"cs-uri-stem": "/a"})"), R"("/a")");
  EXPECT_EQ(EvalForTest("event.`cs-uri-stem`", R"({"cs-uri-stem": "/a"})"), R"("/a")");
  EXPECT_EQ(EvalForTest("type == 'purchase'", R"({"type": "purchase"})"), "true");
  EXPECT_EQ(EvalForTest("list.all(x, x == string)", R"({"list": ["a"], "string": "a"})"), "true");
  EXPECT_EQ(EvalForTest("type(x) == string && string == 'a'", R"({"x": "", "string": "a"})"),
            "true");
  EXPECT_EQ(EvalForTest("type(x) in [int, double]", R"({"x": 1})"), "true");
  EXPECT_EQ(EvalForTest("event.event + event.meta", R"({"event": "a", "meta": "b"})"), R"("ab")");
}

TEST(Event, HasTellsWhetherAFieldIsThere) {
  EXPECT_EQ(EvalForTest("has(event.x)", R"({"x": null})"), "true");
  EXPECT_EQ(EvalForTest("has(event.x)", R"({"y": 1})"), "false");
  EXPECT_EQ(EvalForTest("has(x)", R"({"x": 1})"), "true");
  EXPECT_EQ(EvalForTest("has(x.y)", R"({"x": {"y": 1}})"), "true");
  EXPECT_EQ(EvalForTest("has(x.y)", R"({"x": {}})"), "false");
  EXPECT_EQ(EvalForTest("has(x.y)", R"({})"), "error: no such key: x");
  EXPECT_EQ(EvalForTest("event.?x.?y.orValue(7)", R"({"x": {}})"), "7");
  EXPECT_EQ(EvalForTest("event[?'x'].hasValue()", R"({})"), "false");
}

TEST(Event, AMissingFieldIsAnError) {
  EXPECT_EQ(EvalForTest("amount > 1"), "error: no such key: amount");
  EXPECT_EQ(EvalForTest("amount > 1 || true"), "true");
}

TEST(Event, NumbersAreDoublesAndWiden) {
  EXPECT_EQ(EvalForTest("type(n) == double", R"({"n": 3})"), "true");
  EXPECT_EQ(EvalForTest("score > 900", R"({"score": 900.5})"), "true");
  EXPECT_EQ(EvalForTest("n + 1", R"({"n": 3})"), "4");
  EXPECT_EQ(EvalForTest("1 - n", R"({"n": 0.5})"), "0.5");
  EXPECT_EQ(EvalForTest("n / 2", R"({"n": 3})"), "1.5");
  EXPECT_EQ(EvalForTest("n == 3", R"({"n": 3.0})"), "true");
  EXPECT_EQ(EvalForTest("n % 2", R"({"n": 7})"), "1");
  EXPECT_EQ(EvalForTest("n % m", R"({"n": -7, "m": 4})"), "-3");
  EXPECT_EQ(EvalForTest("n % m", R"({"n": 7, "m": 0})"), "error: modulus by zero");
  EXPECT_THAT(EvalForTest("n % 2", R"({"n": 7.5})"), HasSubstr("no such overload"));
  EXPECT_EQ(EvalForTest("[10, 20][n]", R"({"n": 1})"), "20");
  EXPECT_EQ(EvalForTest("'levada'.substring(n)", R"({"n": 3})"), R"("ada")");
  EXPECT_EQ(EvalForTest("math.ceil(5)"), "5");
  EXPECT_THAT(EvalForTest("'levada'.substring(n)", R"({"n": 3.5})"), HasSubstr("no such overload"));
}

TEST(Event, NumbersAreReadExactly) {
  const std::pair<std::string_view, double> kNumbers[] = {
      {"0", 0.0},
      {"-0", -0.0},
      {"584.33", 584.33},
      {"-1.5e3", -1500},
      {"1e22", 1e22},
      {"0.1", 0.1},
      {"123456789012345678", 123456789012345678.0},
      {"5e-324", 5e-324},
      {"1e-400", 0},
      {"0.000001", 1e-6},
      {"9007199254740993", 9007199254740993.0},
      {"1.7976931348623157e308", 1.7976931348623157e308},
      {"0.30000000000000004", 0.30000000000000004}};
  base::Arena arena;
  for (const auto& [raw, expected] : kNumbers) {
    json::Value json;
    ASSERT_TRUE(json::ScanValue(raw, &json).ok()) << raw;
    const Value value = FromJson(json, FieldType::kDyn, &arena);
    ASSERT_TRUE(value.is(Kind::kDouble)) << raw;
    EXPECT_EQ(value.real(), expected) << raw;
    EXPECT_EQ(std::signbit(value.real()), std::signbit(expected)) << raw;
  }
}

TEST(Event, DeclaredFieldsHaveTheirTypes) {
  Env env;
  env.DeclareField("id", FieldType::kLong);
  env.DeclareField("price", FieldType::kDecimal);
  env.DeclareField("at", FieldType::kTimestamp);
  env.DeclareField("day", FieldType::kDate);
  env.DeclareField("data", FieldType::kBinary);
  env.DeclareField("flag", FieldType::kBoolean);
  env.DeclareField("more", FieldType::kStruct);
  EXPECT_EQ(EvalForTest(&env, "id + 1", R"({"id": 9007199254740993})"), "9007199254740994");
  EXPECT_EQ(EvalForTest(&env, "id / 2", R"({"id": 3})"), "1");
  EXPECT_EQ(EvalForTest(&env, "id % 2 == 1", R"({"id": 3.0})"), "true");
  EXPECT_EQ(EvalForTest(&env, "price * 2", R"({"price": "12.50"})"), "25");
  EXPECT_EQ(EvalForTest(&env, "at.getHours()", R"({"at": "2026-11-02T08:00:32.423Z"})"), "8");
  EXPECT_EQ(EvalForTest(&env, "at.getHours()", R"({"at": "2026-11-02 10:00:32+02:00"})"), "8");
  EXPECT_EQ(EvalForTest(&env, "at", R"({"at": 1793606432423})"), R"("2026-11-02T08:00:32.423Z")");
  EXPECT_EQ(EvalForTest(&env, "at", R"({"at": 1793606432})"), R"("2026-11-02T08:00:32Z")");
  EXPECT_EQ(EvalForTest(&env, "day", R"({"day": "2026-11-02"})"), R"("2026-11-02T00:00:00Z")");
  EXPECT_EQ(EvalForTest(&env, "size(data)", R"({"data": "AP8="})"), "2");
  EXPECT_EQ(EvalForTest(&env, "flag ? 1 : 2", R"({"flag": false})"), "2");
  EXPECT_EQ(EvalForTest(&env, "more.a", R"({"more": {"a": "b"}})"), R"("b")");
}

TEST(Event, AValueOfAnotherTypeIsAnError) {
  Env env;
  env.DeclareField("amount", FieldType::kDouble);
  env.DeclareField("id", FieldType::kLong);
  env.DeclareField("at", FieldType::kTimestamp);
  EXPECT_EQ(EvalForTest(&env, "amount > 1", R"({"amount": "12"})"),
            "error: amount: expected double, found a string (12)");
  EXPECT_EQ(EvalForTest(&env, "id", R"({"id": 1.5})"),
            "error: id: expected long, found a number (1.5)");
  EXPECT_EQ(EvalForTest(&env, "id", R"({"id": 9223372036854775808})"),
            "error: id: expected long, found a number (9223372036854775808)");
  EXPECT_EQ(EvalForTest(&env, "at", R"({"at": "soon"})"),
            "error: at: expected timestamp, found a string (soon)");
  EXPECT_EQ(EvalForTest(&env, "amount", R"({"amount": [1]})"),
            "error: amount: expected double, found an array");
  // A field that is not required may be null.
  EXPECT_EQ(EvalForTest(&env, "amount == null", R"({"amount": null})"), "true");
  EXPECT_EQ(EvalForTest(&env, "amount != null && amount > 1", R"({"amount": null})"), "false");
}

TEST(Event, ANumberBeyondTheRangeOfADoubleIsAnErrorAndNotInfinity) {
  EXPECT_EQ(EvalForTest("n > 1", R"({"n": 1e999})"),
            "error: n: the number 1e999 is beyond the range of a double");
  EXPECT_EQ(EvalForTest("n < 1", R"({"n": -1e999})"),
            "error: n: the number -1e999 is beyond the range of a double");
  EXPECT_EQ(EvalForTest("n == 0.0", R"({"n": 1e-999})"), "true");
}

TEST(Event, TextIsDecoded) {
  EXPECT_EQ(EvalForTest("name == 'a\"b'", R"({"name": "a\"b"})"), "true");
  EXPECT_EQ(EvalForTest("size(name)", R"({"name": "\ud83d\ude00é"})"), "2");
  EXPECT_EQ(EvalForTest("x['a\"b']", R"({"x": {"a\"b": 1}})"), "1");
}

TEST(Event, ListsAndMapsAreWalkedInPlace) {
  const std::string_view event =
      R"({"tags": ["new", "mobile"], "device": {"os": "linux", "age": 12}, "rows": [{"n": 1}, {"n": 2}]})";
  EXPECT_EQ(EvalForTest("tags[1]", event), R"("mobile")");
  EXPECT_EQ(EvalForTest("tags[2]", event), "error: index out of range: 2");
  EXPECT_EQ(EvalForTest("'new' in tags", event), "true");
  EXPECT_EQ(EvalForTest("'os' in device", event), "true");
  EXPECT_EQ(EvalForTest("size(tags) + size(device)", event), "4");
  EXPECT_EQ(EvalForTest("device.age < 30 && device['os'] == 'linux'", event), "true");
  EXPECT_EQ(EvalForTest("rows.map(r, r.n * 2)", event), "[2,4]");
  EXPECT_EQ(EvalForTest("rows.filter(r, r.n > 1)", event), R"([{"n": 2}])");
  EXPECT_EQ(EvalForTest("device.exists(k, v, k == 'os' && v == 'linux')", event), "true");
  EXPECT_EQ(EvalForTest("tags + ['x']", event), R"(["new","mobile","x"])");
  EXPECT_EQ(EvalForTest("tags == ['new', 'mobile']", event), "true");
  EXPECT_EQ(EvalForTest("device == {'age': 12, 'os': 'linux'}", event), "true");
  EXPECT_EQ(EvalForTest("tags.join('-')", event), R"("new-mobile")");
}

TEST(Event, TheEventAsAWhole) {
  EXPECT_EQ(EvalForTest("size(event)", R"({"a": 1, "b": 2})"), "2");
  EXPECT_EQ(EvalForTest("event[name]", R"({"a": 1, "name": "a"})"), "1");
  EXPECT_EQ(EvalForTest("event.all(k, k.startsWith('a'))", R"({"a": 1, "ab": 2})"), "true");
  EXPECT_EQ(EvalForTest("event", R"({"a": 1})"), R"({"a": 1})");
}

TEST(Event, StepsAddReplaceAndTakeAwayFields) {
  Env env;
  const auto before = Compile("amount", &env);
  const int amount = env.DeclareSlot("amount", {Kind::kDouble});
  const int score = env.DeclareSlot("score", {Kind::kDouble});
  env.Remove("secret");
  const auto after = Compile("amount * 2", &env);
  const auto whole = Compile("event", &env);
  const auto has = Compile("has(event.score)", &env);
  ASSERT_TRUE(before.ok() && after.ok() && whole.ok() && has.ok());
  EXPECT_EQ(Compile("secret", &env).status().message(),
            "1:1: an earlier step took the field 'secret' away");

  const std::string_view event = R"({"amount": 1, "secret": 2, "other": 3})";
  std::vector<json::Value> slots(env.fields().size());
  json::ScanInfo info;
  ASSERT_TRUE(json::Scan(event, env.fields(), slots, &info).ok());
  base::Arena arena;
  Activation activation(env, &arena);
  activation.Begin(event, slots);
  EXPECT_FALSE(*has->Test(activation));
  activation.Set(amount, Value::Double(10));
  activation.Set(score, Value::Double(0.5));
  EXPECT_EQ(before->Eval(activation).real(), 1);
  EXPECT_EQ(after->Eval(activation).real(), 20);
  EXPECT_TRUE(*has->Test(activation));
  std::string out;
  ASSERT_TRUE(whole->AppendJson(activation, &out).ok());
  EXPECT_EQ(out, R"({"other":3,"amount":10,"score":0.5})");

  activation.Begin(event, slots);  // the next event knows nothing of the last one's slots
  EXPECT_EQ(after->Eval(activation).text(), "no such key: amount");
}

TEST(Event, SelectKeepsNothingElse) {
  Env env;
  env.DeclareSlot("score", {Kind::kDouble});
  const std::vector<std::string> kept = {"amount", "score"};
  env.KeepOnly(kept);
  EXPECT_TRUE(Compile("amount + score", &env).ok());
  EXPECT_FALSE(Compile("other", &env).ok());
  EXPECT_EQ(EvalForTest(&env, "event", R"({"amount": 1, "other": 2})"), R"({"amount":1})");
  env.DeclareSlot("other", {Kind::kInt});
  EXPECT_TRUE(Compile("other", &env).ok());
}

TEST(Event, MetaTellsWhereTheRecordCameFrom) {
  Batch batch("transactions", {}, nullptr);
  Record record;
  record.key = "k1";
  record.has_key = true;
  record.partition = 3;
  record.offset = 42;
  record.timestamp_ms = 1793606432423;
  const Meta meta{&batch, &record};
  Env env;
  EXPECT_EQ(EvalForTest(&env, "meta.key + '@' + meta.topic", "{}", meta), R"("k1@transactions")");
  EXPECT_EQ(EvalForTest(&env, "meta.offset + meta.partition", "{}", meta), "45");
  EXPECT_EQ(EvalForTest(&env, "meta.timestamp", "{}", meta), R"("2026-11-02T08:00:32.423Z")");
  record.timestamp_ms = 1793606432423000000;  // nanoseconds
  EXPECT_EQ(EvalForTest(&env, "meta.timestamp", "{}", meta), R"("9999-12-31T23:59:59.999Z")");
  EXPECT_EQ(EvalForTest(&env, "size(meta.headers)", "{}", meta), "0");
  EXPECT_EQ(EvalForTest(&env, "meta.topic", "{}"), "error: no such key: meta.topic");
  record.has_key = false;
  EXPECT_EQ(EvalForTest(&env, "meta.key == null", "{}", meta), "true");
}

TEST(Event, AKeyThatIsNoTextIsTextAllTheSame) {
  Batch batch("transactions", {}, nullptr);
  Record record;
  record.key = "a\xff\xf0\x9f";
  record.has_key = true;
  Env env;
  EXPECT_EQ(EvalForTest(&env, "meta.key", "{}", {&batch, &record}), "\"a\uFFFD\uFFFD\uFFFD\"");
}

TEST(Event, ADecimalIsWrittenInDecimals) {
  Env env;
  env.DeclareField("price", FieldType::kDecimal);
  EXPECT_EQ(EvalForTest(&env, "price", R"({"price": "-1.50"})"), "-1.5");
  EXPECT_THAT(EvalForTest(&env, "price > 1", R"({"price": "0x10"})"),
              HasSubstr("expected decimal"));
  EXPECT_THAT(EvalForTest(&env, "price > 1", R"({"price": "inf"})"), HasSubstr("expected decimal"));
  EXPECT_THAT(EvalForTest(&env, "price > 1", R"({"price": "nan"})"), HasSubstr("expected decimal"));
}

TEST(Event, AFieldAloneIsCopiedWithAllItsDigits) {
  Env env;
  const auto program = Compile("id", &env);
  ASSERT_TRUE(program.ok());
  std::vector<json::Value> slots(1);
  json::ScanInfo info;
  base::Arena arena;
  Activation activation(env, &arena);
  for (std::string_view raw : {"12345678901234567890", "1.50", R"("a\u0041")", "null", "[1,2]"}) {
    const std::string event = base::StrCat("{\"id\":", raw, "}");
    ASSERT_TRUE(json::Scan(event, env.fields(), slots, &info).ok());
    activation.Begin(event, slots);
    std::string out;
    ASSERT_TRUE(program->AppendJson(activation, &out).ok());
    EXPECT_EQ(out, raw);
  }
}

}  // namespace
}  // namespace levada::expr
