#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "services/archiving/file_writer.h"

namespace levada::archiving {
namespace {

// The columns of these events: "a: long, b: string".
std::string ColumnsOf(const std::vector<std::string>& events, Columns columns = {}) {
  for (const std::string& event : events) {
    std::string error;
    EXPECT_TRUE(InferColumns(event, &columns, &error)) << error;
  }
  std::string text;
  for (const Column& column : columns) {
    base::StrAppend(&text, text.empty() ? "" : ", ", column.name, ": ", TypeName(column.type));
  }
  return text;
}

TEST(InferTest, TypesAreTheNarrowestThatFitAll) {
  EXPECT_EQ(ColumnsOf({R"({"a":1,"b":true,"c":"x","d":1.5,"e":[1],"f":{}})"}),
            "a: long, b: boolean, c: string, d: double, e: any, f: any");
  EXPECT_EQ(ColumnsOf({R"({"a":1})", R"({"a":2.5})", R"({"a":3})"}), "a: double");
  EXPECT_EQ(ColumnsOf({R"({"a":1})", R"({"a":"x"})"}), "a: any");
  EXPECT_EQ(ColumnsOf({R"({"a":true})", R"({"a":1})"}), "a: any");
  EXPECT_EQ(ColumnsOf({R"({"a":9223372036854775808})"}), "a: double");
  EXPECT_EQ(ColumnsOf({R"({"a":1e999})"}), "a: any");
}

TEST(InferTest, NullsSayNothingAndColumnsStayInTheOrderInWhichTheyCame) {
  EXPECT_EQ(ColumnsOf({R"({"a":null})", R"({"b":1,"a":null})", R"({"a":"x","b":null})"}),
            "b: long, a: string");
  EXPECT_EQ(ColumnsOf({R"({"\u0061":1})", R"({"a":1.5})"}), "a: double");
}

TEST(InferTest, WhatEarlierFilesHadOnlyWidens) {
  EXPECT_EQ(
      ColumnsOf({R"({"b":1,"a":1})"}, {{"a", ColumnType::kDouble}, {"z", ColumnType::kString}}),
      "a: double, z: string, b: long");
  Columns columns = {{"a", ColumnType::kLong}};
  MergeColumns({{"b", ColumnType::kAny}, {"a", ColumnType::kDouble}}, &columns);
  EXPECT_EQ(ColumnsOf({}, columns), "a: double, b: any");
}

TEST(InferTest, AFieldThatStandsThereTwiceIsAnError) {
  for (const std::string event :
       {R"({"a":1,"b":2,"a":3})", R"({"a":1,"\u0061":3})", R"({"b":null,"a":1,"a":null})"}) {
    Columns columns;
    std::string error;
    EXPECT_FALSE(InferColumns(event, &columns, &error)) << event;
    EXPECT_EQ(error, "field `a` stands there twice");
  }
}

TEST(InferTest, ThereAreOnlySoManyColumnsAndNoneWithOurNames) {
  EXPECT_EQ(ColumnsOf({R"({"_offset":1,"_x":2})"}), "_x: long");
  std::string event = "{\"_key\":1";
  for (size_t i = 0; i < kMaxInferredColumns + 20; ++i) base::StrAppend(&event, ",\"f", i, "\":1");
  Columns columns;
  std::string error;
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(InferColumns(event + "}", &columns, &error)) << error;
    EXPECT_EQ(columns.size(), kMaxInferredColumns);
  }
}

}  // namespace
}  // namespace levada::archiving
