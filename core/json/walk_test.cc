#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/json/scan.h"

namespace levada::json {
namespace {

using testing::ElementsAre;

std::string Decoded(std::string_view raw) {
  std::string text;
  Unescape(raw, &text);
  return text;
}

std::vector<std::string> Members(std::string_view object) {
  std::vector<std::string> members;
  ForEachMember(object, [&](std::string_view key, bool escaped, const Value& value) {
    members.push_back((escaped ? Decoded(key) : std::string(key)) + "=" + std::string(value.raw));
    return true;
  });
  return members;
}

std::vector<std::string> Elements(std::string_view array) {
  std::vector<std::string> elements;
  ForEachElement(array, [&](const Value& value) {
    elements.emplace_back(value.raw);
    return true;
  });
  return elements;
}

TEST(ForEachMember, VisitsAllOfThem) {
  EXPECT_THAT(Members("{}"), ElementsAre());
  EXPECT_THAT(Members("{ \n }"), ElementsAre());
  EXPECT_THAT(Members(R"({"a":1,"b\n":"x\"}","c" : {"d":["]",1]} , "e":[],"f":null})"),
              ElementsAre("a=1", "b\n=x\\\"}", "c={\"d\":[\"]\",1]}", "e=[]", "f=null"));
}

TEST(ForEachMember, StopsWhenToldTo) {
  int visits = 0;
  ForEachMember(R"({"a":1,"b":2})", [&](std::string_view, bool, const Value&) {
    ++visits;
    return false;
  });
  EXPECT_EQ(visits, 1);
}

TEST(ForEachElement, VisitsAllOfThem) {
  EXPECT_THAT(Elements("[]"), ElementsAre());
  EXPECT_THAT(
      Elements(R"([1 , -2.5e1,"a,b]",[1,[2]],{"x":"\\"},true,false,null])"),
      ElementsAre("1", "-2.5e1", "a,b]", "[1,[2]]", "{\"x\":\"\\\\\"}", "true", "false", "null"));
}

TEST(NextValue, MarksEscapesAndWholeNumbers) {
  const std::string_view text = R"( 12 1.5 1e3 "a\nb" "plain")";
  size_t at = 0;
  EXPECT_TRUE(NextValue(text, &at).integral);
  EXPECT_FALSE(NextValue(text, &at).integral);
  EXPECT_FALSE(NextValue(text, &at).integral);
  EXPECT_TRUE(NextValue(text, &at).escaped);
  EXPECT_FALSE(NextValue(text, &at).escaped);
  EXPECT_EQ(NextValue(text, &at).kind, Kind::kAbsent);
}

TEST(FindMember, ComparesDecodedKeys) {
  const std::string_view object = R"({"x":1,"\u0061mount":2,"a\/b":{"c":3},"\ud83d\ude00":4})";
  EXPECT_EQ(FindMember(object, "x").raw, "1");
  EXPECT_EQ(FindMember(object, "amount").raw, "2");
  EXPECT_EQ(FindMember(object, "a/b").raw, "{\"c\":3}");
  EXPECT_EQ(FindMember(object, "😀").raw, "4");
  EXPECT_EQ(FindMember(object, "amoun").kind, Kind::kAbsent);
  EXPECT_EQ(FindMember(object, "amounts").kind, Kind::kAbsent);
}

TEST(Unescape, DecodesEveryEscape) {
  EXPECT_EQ(Decoded(""), "");
  EXPECT_EQ(Decoded("plain é"), "plain é");
  EXPECT_EQ(Decoded(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Decoded(R"(a\u0041\u00e9\u20AC\ud83d\ude00z)"), "aAé€😀z");
  EXPECT_EQ(Decoded(R"(\u0000)"), std::string(1, '\0'));
  EXPECT_EQ(Decoded(R"(\uFFFF\uDBFF\uDFFF)"), "\xEF\xBF\xBF\xF4\x8F\xBF\xBF");
}

TEST(Unescape, AppendsToWhatIsThere) {
  std::string text = "x=";
  Unescape(R"(1\n2)", &text);
  EXPECT_EQ(text, "x=1\n2");
}

}  // namespace
}  // namespace levada::json
