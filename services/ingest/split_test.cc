#include "services/ingest/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::ingest {
namespace {

using testing::ElementsAre;

std::vector<std::string_view> Events(std::string_view bytes, Format format = Format::kSniff,
                                     Format* found = nullptr) {
  Body body;
  const absl::Status status = Split(bytes, format, 1000, &body);
  EXPECT_TRUE(status.ok()) << status << " " << bytes;
  if (found != nullptr) *found = body.format;
  return body.events;
}

absl::Status Failure(std::string_view bytes, Format format = Format::kSniff) {
  Body body;
  return Split(bytes, format, 3, &body);
}

TEST(SplitTest, SniffsTheThreeForms) {
  Format format;
  EXPECT_THAT(Events(" {\"a\":1}\n", Format::kSniff, &format), ElementsAre("{\"a\":1}"));
  EXPECT_EQ(format, Format::kObject);
  EXPECT_THAT(Events("{\n \"a\": 1\n}", Format::kSniff, &format), ElementsAre("{\n \"a\": 1\n}"));
  EXPECT_EQ(format, Format::kObject);
  EXPECT_THAT(Events("[{\"a\":1} , {\"a\":2}]", Format::kSniff, &format),
              ElementsAre("{\"a\":1}", "{\"a\":2}"));
  EXPECT_EQ(format, Format::kArray);
  EXPECT_THAT(Events("{\"a\":1}\r\n\n  {\"a\":2}", Format::kSniff, &format),
              ElementsAre("{\"a\":1}", "{\"a\":2}"));
  EXPECT_EQ(format, Format::kLines);
}

TEST(SplitTest, ContentTypeDecidesBeforeTheBytes) {
  EXPECT_THAT(Events("{\"a\":1}\n{\"a\":2}", Format::kJson), ElementsAre("{\"a\":1}\n{\"a\":2}"));
  EXPECT_THAT(Events("[1]\n[2]", Format::kLines), ElementsAre("[1]", "[2]"));
  Format format;
  EXPECT_TRUE(FormatOf("Application/JSON; charset=utf-8", &format));
  EXPECT_EQ(format, Format::kJson);
  EXPECT_TRUE(FormatOf("application/x-ndjson", &format));
  EXPECT_EQ(format, Format::kLines);
  EXPECT_TRUE(FormatOf("", &format));
  EXPECT_EQ(format, Format::kSniff);
  EXPECT_FALSE(FormatOf("text/xml", &format));
}

TEST(SplitTest, ArrayElementsMayHoldWhatSeparatesThem) {
  EXPECT_THAT(Events(R"([{"a":"],[{\"\\"},{"b":[1,{"c":2}]},"x",3])"),
              ElementsAre(R"({"a":"],[{\"\\"})", R"({"b":[1,{"c":2}]})", "\"x\"", "3"));
}

// What is between the commas goes to the check, so that its index can be named.
TEST(SplitTest, EmptyElementsAreKept) {
  EXPECT_THAT(Events("[{},,{}]"), ElementsAre("{}", "", "{}"));
  EXPECT_THAT(Events("[{},]"), ElementsAre("{}", ""));
}

TEST(SplitTest, RefusesWhatHoldsNoEvents) {
  for (const std::string_view bytes :
       {"", " \n\t ", "[]", "[ ]", "[", "[{}", "[{}]x", "[{}}]", "[\"", "[\"\\", "[{\"a\":\"]"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Failure(bytes))) << bytes;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Failure("{}", Format::kArray)));
}

TEST(SplitTest, BoundsTheNumberOfEvents) {
  EXPECT_TRUE(Failure("[1,2,3]").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Failure("[1,2,3,4]")));
  EXPECT_TRUE(absl::IsResourceExhausted(Failure("{}\n{}\n{}\n{}\n")));
  EXPECT_TRUE(Failure("{}\n\n\n\n\n\n{}\n").ok());
}

}  // namespace
}  // namespace levada::ingest
