#include "core/expr/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::expr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Call Split(std::string_view source) {
  const absl::StatusOr<Call> call = ParseCall(source);
  EXPECT_TRUE(call.ok()) << source << ": " << call.status();
  return call.ok() ? *call : Call();
}

std::string Error(std::string_view source) {
  return std::string(ParseCall(source).status().message());
}

TEST(ParseCall, NameAndArguments) {
  EXPECT_EQ(Split("count()").name, "count");
  EXPECT_THAT(Split("count()").arguments, IsEmpty());
  EXPECT_THAT(Split(" count ( ) ").arguments, IsEmpty());
  EXPECT_EQ(Split("sum(amount)").name, "sum");
  EXPECT_THAT(Split("sum(amount)").arguments, ElementsAre("amount"));
  EXPECT_THAT(Split("quantile( amount * rate , 0.95 )").arguments,
              ElementsAre("amount * rate", "0.95"));
}

TEST(ParseCall, CommasWithinAnArgumentAreItsOwn) {
  EXPECT_THAT(Split("f(g(a, b), [1, 2], {'x': 1, 'y': (2)}, \"a,)\", r'(,')").arguments,
              ElementsAre("g(a, b)", "[1, 2]", "{'x': 1, 'y': (2)}", "\"a,)\"", "r'(,'"));
  EXPECT_THAT(Split("f(a // the first, of two\n, b)").arguments,
              ElementsAre("a // the first, of two", "b"));
}

TEST(ParseCall, AnythingElseIsRefusedWithItsPlace) {
  EXPECT_EQ(Error("amount"), "1:1: expected one call of a function, as in f(a, b)");
  EXPECT_EQ(Error("sum(a) / 2"), "1:8: expected one call of a function, as in f(a, b)");
  EXPECT_EQ(Error("sum(a).x(b)"), "1:7: expected one call of a function, as in f(a, b)");
  EXPECT_EQ(Error("a.f(x)"), "1:1: expected one call of a function, as in f(a, b)");
  EXPECT_EQ(Error("(f(x))"), "1:1: expected one call of a function, as in f(a, b)");
  EXPECT_EQ(Error("sum(a"), "1:6: expected ')', found the end of the expression");
  EXPECT_EQ(Error("sum(\n  a b)"), "2:5: expected ')', found 'b'");
  EXPECT_EQ(Error(""), "1:1: expected a value, found the end of the expression");
}

}  // namespace
}  // namespace levada::expr
