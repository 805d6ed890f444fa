#include "core/runtime/csv_lines.h"

#include <gtest/gtest.h>

namespace levada::runtime {
namespace {

v1::Topic Topic() {
  v1::Topic topic;
  const std::pair<const char*, v1::FieldType> fields[] = {{"id", v1::FIELD_TYPE_STRING},
                                                          {"at", v1::FIELD_TYPE_TIMESTAMP},
                                                          {"value", v1::FIELD_TYPE_DOUBLE}};
  for (const auto& [name, type] : fields) {
    v1::Field& field = *topic.add_fields();
    field.set_name(name);
    field.set_type(type);
  }
  return topic;
}

TEST(CsvInputTest, AFieldIsWhatItsTopicSaysOrWhatItLooksLike) {
  const v1::Topic topic = Topic();
  const auto in = CsvInput::Make("id,at,value,extra\r", &topic);
  ASSERT_TRUE(in.ok()) << in.status();
  EXPECT_EQ(*in->Event("7,2014-04-01 00:00:00,20.0,true\r"),
            R"({"id":"7","at":"2014-04-01 00:00:00","value":20.0,"extra":true})");
  EXPECT_EQ(*in->Event("007,,-1e3,007"), R"({"id":"007","value":-1e3,"extra":"007"})");
  EXPECT_EQ(*in->Event("1,1396310400000,+1, 5"),
            R"({"id":"1","at":"1396310400000","value":"+1","extra":" 5"})");
  EXPECT_EQ(*in->Event("\"a \"\"b\"\", c\",x,NaN,\"two\nlines\""),
            R"({"id":"a \"b\", c","at":"x","value":"NaN","extra":"two\nlines"})");
  EXPECT_EQ(*in->Event(",,,"), "{}");
}

TEST(CsvInputTest, RowsThatAreWrongAreRefused) {
  const auto in = CsvInput::Make("a,b", nullptr);
  ASSERT_TRUE(in.ok());
  for (const char* row : {"1", "1,2,3", "\"1,2", "1,2\n3,4", "1,x\"y"}) {
    EXPECT_EQ(in->Event(row).status().code(), absl::StatusCode::kInvalidArgument) << row;
  }
  for (const char* header : {"", "a,", "a,b,a", "\"a"}) {
    EXPECT_FALSE(CsvInput::Make(header, nullptr).ok()) << header;
  }
}

TEST(CsvInputTest, AByteOrderMarkIsOneOnlyBeforeTheHeader) {
  const auto in = CsvInput::Make(
      "\xEF\xBB\xBF"
      "a,b",
      nullptr);
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(*in->Event("\xEF\xBB\xBF"
                       "1,2"),
            "{\"a\":\"\xEF\xBB\xBF"
            "1\",\"b\":2}");
}

TEST(CsvInputTest, AQuotedFieldMayGoOnOnTheNextLine) {
  EXPECT_TRUE(GoesOn("1,\"two"));
  EXPECT_FALSE(GoesOn("1,\"two\nlines\""));
  EXPECT_FALSE(GoesOn("1,\"a \"\"b\"\"\""));
}

TEST(CsvOutputTest, FieldsAreRows) {
  const CsvOutput out({"id", "score", "why, then"});
  std::string rows = out.Header();
  EXPECT_TRUE(
      out.Append(R"({"score":1.250,"id":"a\"b\u00e9","why, then":[1,2],"other":1})", &rows).ok());
  EXPECT_TRUE(out.Append(R"({"score":null,"id":true})", &rows).ok());
  EXPECT_EQ(rows, "id,score,\"why, then\"\n\"a\"\"bé\",1.250,\"[1,2]\"\ntrue,,\n");
  EXPECT_FALSE(out.Append("[1]", &rows).ok());
}

TEST(CsvOutputTest, WhatWasReadIsWrittenTheSame) {
  const auto in = CsvInput::Make("a,b", nullptr);
  ASSERT_TRUE(in.ok());
  const CsvOutput out({"a", "b"});
  for (const std::string row :
       {"1.50,x", "\"a,b\",\"say \"\"hi\"\"\"", ",", "\"l1\nl2\",007", "\"\xEF\xBB\xBFx\",y"}) {
    std::string rows;
    ASSERT_TRUE(out.Append(*in->Event(row), &rows).ok());
    EXPECT_EQ(rows, row + "\n");
  }
}

}  // namespace
}  // namespace levada::runtime
