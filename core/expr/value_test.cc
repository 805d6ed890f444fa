#include "core/expr/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/expr/compare.h"
#include "core/expr/functions.h"

namespace levada::expr {
namespace {

std::string Json(Value value) {
  std::string out;
  return AppendJson(value, &out) ? out : "too large";
}
std::string Text(Value value) {
  std::string out;
  return AppendText(value, &out) ? out : "too large";
}

TEST(Value, AsJson) {
  EXPECT_EQ(Json(Value::Null()), "null");
  EXPECT_EQ(Json(Value::Bool(true)), "true");
  EXPECT_EQ(Json(Value::Int(-9223372036854775807 - 1)), "-9223372036854775808");
  EXPECT_EQ(Json(Value::Uint(18446744073709551615u)), "18446744073709551615");
  EXPECT_EQ(Json(Value::Double(0.1)), "0.1");
  EXPECT_EQ(Json(Value::Double(10)), "10");
  EXPECT_EQ(Json(Value::Double(std::numeric_limits<double>::quiet_NaN())), "null");
  EXPECT_EQ(Json(Value::Double(std::numeric_limits<double>::infinity())), "null");
  EXPECT_EQ(Json(Value::String("a\"\n")), R"("a\"\n")");
  EXPECT_EQ(Json(Value::Bytes(std::string_view("\0\xff", 2))), R"("AP8=")");
  EXPECT_EQ(Json(Value::OfTimestamp({0, 500'000'000})), R"("1970-01-01T00:00:00.5Z")");
  EXPECT_EQ(Json(Value::Duration(3'500'000'000)), R"("3.5s")");
  EXPECT_EQ(Json(Value::JsonList("[1,\n2]")), "[1, 2]");  // one line
  const Value items[] = {Value::Int(1), Value::JsonMap(R"({"a":[]})")};
  EXPECT_EQ(Json(Value::List(items, 2)), R"([1,{"a":[]}])");
  const MapEntry entries[] = {{Value::Int(1), Value::Bool(false)},
                              {Value::String("b"), Value::Optional(nullptr)}};
  EXPECT_EQ(Json(Value::Map(entries, 2)), R"({"1":false,"b":null})");
}

TEST(Value, AsText) {
  EXPECT_EQ(Text(Value::String("a\"b")), "a\"b");
  EXPECT_EQ(Text(Value::Double(1e6)), "1000000");
  EXPECT_EQ(Text(Value::Double(1e21)), "1e+21");
  EXPECT_EQ(Text(Value::Double(-0.0045)), "-0.0045");
  EXPECT_EQ(Text(Value::Bool(false)), "false");
  EXPECT_EQ(Text(Value::JsonList("[1]")), "[1]");
}

TEST(Value, TooDeepForJson) {
  std::vector<Value> nested(kMaxJsonDepth + 10);
  nested[0] = Value::Int(1);
  for (size_t i = 1; i < nested.size(); ++i) nested[i] = Value::List(&nested[i - 1], 1);
  std::string out = "kept";
  EXPECT_FALSE(AppendJson(nested.back(), &out));
  EXPECT_EQ(out, "kept");
}

TEST(Value, NumbersOfDifferentKindsHaveOneOrder) {
  EXPECT_EQ(Compare(Value::Int(-1), Value::Uint(18446744073709551615u)),
            std::partial_ordering::less);
  EXPECT_EQ(Compare(Value::Uint(2), Value::Double(1.5)), std::partial_ordering::greater);
  EXPECT_EQ(Compare(Value::Int(1), Value::Double(1)), std::partial_ordering::equivalent);
  EXPECT_EQ(Compare(Value::Double(NAN), Value::Int(1)), std::partial_ordering::unordered);
  EXPECT_FALSE(Ordered(Kind::kList, Kind::kList));
  EXPECT_FALSE(Ordered(Kind::kString, Kind::kInt));
}

TEST(Functions, TheTablesAreConsistent) {
  int count = 0;
  for (const auto& table : AllFunctions()) {
    for (const Function& function : table) {
      ++count;
      EXPECT_FALSE(function.help.empty()) << function.name;
      EXPECT_NE(function.native, nullptr) << function.name;
      EXPECT_LE(function.count, Function::kMostParameters) << function.name;
      EXPECT_FALSE(
          FindFunctions(function.name, function.style == Function::Style::kMember).empty());
    }
  }
  EXPECT_GT(count, 100);
  EXPECT_TRUE(FindFunctions("nope", false).empty());
}

TEST(Type, FieldTypes) {
  EXPECT_EQ(*ParseFieldType("decimal"), FieldType::kDecimal);
  EXPECT_EQ(FieldTypeName(FieldType::kStruct), "struct");
  EXPECT_EQ(TypeOf(FieldType::kDate).ToString(), "timestamp");
  EXPECT_EQ(TypeOf(FieldType::kMap).ToString(), "map(string, dyn)");
  EXPECT_FALSE(ParseFieldType("Double").ok());
}

}  // namespace
}  // namespace levada::expr
