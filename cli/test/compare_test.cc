#include "cli/test/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kSubset = v1::TEST_MATCH_SUBSET;
constexpr auto kExact = v1::TEST_MATCH_EXACT;
constexpr auto kAnyOrder = v1::TEST_MATCH_ANY_ORDER;

std::vector<std::string> Paths(const char* expected, const char* got, v1::TestMatch match) {
  std::vector<std::string> paths;
  for (const Difference& one : Differences(json::parse(expected), json::parse(got), match)) {
    paths.push_back(base::StrCat(one.expected ? "-" : "", one.got ? "+" : "", one.path));
  }
  return paths;
}

TEST(Differences, SubsetLooksAtTheFieldsThatAreNamed) {
  EXPECT_THAT(Paths(R"({"a":1})", R"({"a":1,"b":2})", kSubset), IsEmpty());
  EXPECT_THAT(Paths(R"({"a":{"x":1}})", R"({"a":{"x":1,"y":2}})", kSubset), IsEmpty());
  EXPECT_THAT(Paths(R"({"a":2,"c":null})", R"({"a":1,"b":2})", kSubset), ElementsAre("-+a", "-c"));
  EXPECT_THAT(Paths(R"({"a":null})", R"({"a":null})", kSubset), IsEmpty());
  EXPECT_THAT(Paths(R"({"a":null})", R"({"a":0})", kSubset), ElementsAre("-+a"));
}

TEST(Differences, ExactWantsNoOtherFields) {
  EXPECT_THAT(Paths(R"({"a":1})", R"({"a":1,"b":2})", kExact), ElementsAre("+b"));
  EXPECT_THAT(Paths(R"({"a":{"x":1}})", R"({"a":{"x":1,"y":2}})", kExact), ElementsAre("+a.y"));
}

TEST(Differences, ListsHaveAllTheirElements) {
  EXPECT_THAT(Paths(R"({"a":[1,2]})", R"({"a":[1,3,4]})", kSubset), ElementsAre("-+a[1]", "+a[2]"));
  EXPECT_THAT(Paths(R"({"a":[1,2]})", R"({"a":[1]})", kSubset), ElementsAre("-a[1]"));
  EXPECT_THAT(Paths(R"({"a":[]})", R"({"a":{}})", kSubset), ElementsAre("-+a"));
}

TEST(Differences, NumbersAreEqualByValue) {
  EXPECT_THAT(Paths(R"({"a":1})", R"({"a":1.0})", kExact), IsEmpty());
  EXPECT_THAT(Paths(R"({"a":0.3})", R"({"a":0.30000000000000004})", kExact), IsEmpty());
  EXPECT_THAT(Paths(R"({"a":0.3})", R"({"a":0.300001})", kExact), ElementsAre("-+a"));
  EXPECT_THAT(Paths(R"({"a":9007199254740993})", R"({"a":9007199254740992})", kExact),
              ElementsAre("-+a"));
  EXPECT_THAT(Paths(R"({"a":1})", R"({"a":"1"})", kExact), ElementsAre("-+a"));
  EXPECT_THAT(Paths(R"({"a":1})", R"({"a":true})", kExact), ElementsAre("-+a"));
}

std::vector<std::string> Told(const char* expected, const char* got, v1::TestMatch match) {
  std::vector<std::string> told;
  for (const Mismatch& one : Compare(json::parse(expected).get<std::vector<json>>(),
                                     json::parse(got).get<std::vector<json>>(), match)) {
    told.push_back(base::StrCat(one.expected, "/", one.got, ":", one.differences.size()));
  }
  return told;
}

TEST(Compare, OneMissingDoesNotMakeTheOthersDiffer) {
  EXPECT_THAT(Told(R"([{"n":1},{"n":2},{"n":3}])", R"([{"n":1},{"n":3}])", kSubset),
              ElementsAre("1/-1:0"));
  EXPECT_THAT(Told(R"([{"n":1},{"n":3}])", R"([{"n":1},{"n":2},{"n":3}])", kSubset),
              ElementsAre("-1/1:0"));
  EXPECT_THAT(Told("[]", R"([{"n":1}])", kSubset), ElementsAre("-1/0:0"));
  EXPECT_THAT(Told(R"([{"n":1}])", "[]", kSubset), ElementsAre("0/-1:0"));
  EXPECT_THAT(Told("[]", "[]", kSubset), IsEmpty());
}

TEST(Compare, ARecordThatIsMostlyTheSameHasDifferences) {
  EXPECT_THAT(
      Told(R"([{"id":1,"x":1},{"id":2,"x":2}])", R"([{"id":1,"x":1},{"id":2,"x":9}])", kSubset),
      ElementsAre("1/1:1"));
  // Nothing in common: one is missing, and there is another.
  EXPECT_THAT(Told(R"([{"id":1}])", R"([{"id":2}])", kSubset), ElementsAre("0/-1:0", "-1/0:0"));
}

TEST(Compare, OtherFieldsDoNotMakeAnotherRecord) {
  EXPECT_THAT(Told(R"([{"id":1}])", R"([{"id":1,"x":1,"y":2,"z":3}])", kExact),
              ElementsAre("0/0:3"));
}

TEST(Compare, OrderCountsUnlessAnyWillDo) {
  const char* const forth = R"([{"n":1},{"n":2}])";
  const char* const back = R"([{"n":2},{"n":1}])";
  EXPECT_THAT(Told(forth, forth, kSubset), IsEmpty());
  EXPECT_EQ(Told(forth, back, kSubset).size(), 2u);
  EXPECT_THAT(Told(forth, back, kAnyOrder), IsEmpty());
}

TEST(Compare, InAnyOrderARecordGoesToWhereItIsNeeded) {
  // {"a":1} fits both; only the first record fits the second.
  EXPECT_THAT(Told(R"([{"a":1},{"a":1,"b":1}])", R"([{"a":1,"b":1},{"a":1,"b":2}])", kAnyOrder),
              IsEmpty());
  EXPECT_THAT(Told(R"([{"a":1,"b":1},{"a":2,"b":2}])", R"([{"a":2,"b":2},{"a":1,"b":3},{"a":7}])",
                   kAnyOrder),
              ElementsAre("0/1:1", "-1/2:0"));
}

TEST(Compare, LongListsAreComparedPlaceByPlace) {
  std::vector<json> expected(600, json{{"n", 1}}), got(600, json{{"n", 1}});
  got[300]["n"] = 2;
  const std::vector<Mismatch> found = Compare(expected, got, kSubset);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].expected, 300);
  EXPECT_EQ(found[0].got, 300);
}

}  // namespace
}  // namespace levada::cli
