#include "core/base/csv.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"

namespace levada::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Each record as `line: field|field`.
std::vector<std::string> Read(std::string_view text, std::string* error = nullptr) {
  CsvReader reader(text);
  std::vector<std::string> records;
  while (reader.Next()) {
    std::string record = StrCat(reader.line(), ": ");
    for (size_t i = 0; i < reader.fields().size(); ++i) {
      StrAppend(&record, i == 0 ? "" : "|", reader.fields()[i]);
    }
    records.push_back(record);
  }
  if (error == nullptr) {
    EXPECT_TRUE(reader.status().ok()) << reader.status();
  } else {
    *error = std::string(reader.status().message());
  }
  return records;
}

std::string ErrorOf(std::string_view text) {
  std::string error;
  Read(text, &error);
  return error;
}

TEST(CsvReader, FieldsAndLines) {
  EXPECT_THAT(Read("a,b\r\n1,2\r\n"), ElementsAre("1: a|b", "2: 1|2"));
  EXPECT_THAT(Read("a,b\n1,2"), ElementsAre("1: a|b", "2: 1|2"));
  EXPECT_THAT(Read(",\n,,\n a , b \n"), ElementsAre("1: |", "2: ||", "3:  a | b "));
  EXPECT_THAT(Read(""), ElementsAre());
  EXPECT_THAT(Read("\n\r\n"), ElementsAre());
  EXPECT_THAT(Read("a\n\n\nb\n\n"), ElementsAre("1: a", "4: b"));
  EXPECT_THAT(Read("a,"), ElementsAre("1: a|"));
}

TEST(CsvReader, Quotes) {
  EXPECT_THAT(Read("\"a,b\",\"\"\n\"x\"\"y\",\"\"\"\"\n"), ElementsAre("1: a,b|", "2: x\"y|\""));
  EXPECT_THAT(Read("\"a\"\"b\"\"c\",\"d\"\"e\"\n"), ElementsAre("1: a\"b\"c|d\"e"));
  // A line break within quotes is part of the field; the lines behind it are still counted right.
  EXPECT_THAT(Read("\"a\nb\r\nc\",d\ne\n"), ElementsAre("1: a\nb\r\nc|d", "4: e"));
  EXPECT_THAT(Read("\"\"\n"), ElementsAre("1: "));
}

TEST(CsvReader, ByteOrderMarkIsLeftOut) {
  EXPECT_THAT(Read("\xEF\xBB\xBF"
                   "a,b\n"),
              ElementsAre("1: a|b"));
  EXPECT_THAT(Read("\xEF\xBB\xBF\"a\",b\n"), ElementsAre("1: a|b"));
  EXPECT_THAT(Read("\xEF\xBB\xBF"), ElementsAre());
}

TEST(CsvReader, WhatIsWrongIsToldWithItsLine) {
  EXPECT_EQ(ErrorOf("a,b\nc\"d,e\n"), "line 2: a quote within a field without quotes");
  EXPECT_EQ(ErrorOf("a\n\"b\"c\n"), "line 2: text behind a field in quotes");
  EXPECT_EQ(ErrorOf("a\n\"b\n\nc"),
            "line 2: a quote is not closed in the record that begins on line 2");
  EXPECT_EQ(ErrorOf("a\n\"b\nc\",\"d\n"),
            "line 3: a quote is not closed in the record that begins on line 2");
  EXPECT_EQ(ErrorOf("a\rb\n"), "line 1: a carriage return without a line feed");
  EXPECT_EQ(ErrorOf("a\r"), "line 1: a carriage return without a line feed");
  EXPECT_EQ(ErrorOf("a\nb\xE4\n"), "line 2: the text is not UTF-8");
  EXPECT_THAT(ErrorOf(std::string_view("\xFF\xFE"
                                       "a\0b\0",
                                       6)),
              HasSubstr("line 1: the text is not UTF-8"));
}

}  // namespace
}  // namespace levada::base
