#include "services/scoring/csv_table.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"

namespace levada::scoring {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(std::string_view text, const std::string& key = "") {
  const auto table = CsvTable::Parse(text, key);
  EXPECT_FALSE(table.ok());
  return std::string(table.status().message());
}

TEST(CsvTableTest, RowsByAColumn) {
  const auto table = CsvTable::Parse("id,\"a \"\"b\"\"\"\n1,x\n2,\"y\nz\"\n,\n", "");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->rows(), 3u);
  EXPECT_EQ((*table)->Find("1"), R"({"id":"1","a \"b\"":"x"})");
  EXPECT_EQ((*table)->Find("2"), R"({"id":"2","a \"b\"":"y\nz"})");
  EXPECT_EQ((*table)->Find(""), R"({"id":"","a \"b\"":""})");
  EXPECT_EQ((*table)->Find("3"), std::nullopt);
  const auto by_second = CsvTable::Parse("\xEF\xBB\xBFid,name\r\n1,x\r\n", "name");
  ASSERT_TRUE(by_second.ok()) << by_second.status();
  EXPECT_EQ((*by_second)->Find("x"), R"({"id":"1","name":"x"})");
  EXPECT_EQ((*by_second)->Find("1"), std::nullopt);
}

TEST(CsvTableTest, ManyRows) {
  std::string text = "id,value\n";
  for (int i = 0; i < 100'000; ++i) base::StrAppend(&text, i, ",", i * 7, "\n");
  const auto table = CsvTable::Parse(text, "id");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->rows(), 100'000u);
  for (int i = 0; i < 100'000; i += 777) {
    EXPECT_EQ((*table)->Find(std::to_string(i)),
              base::StrCat(R"({"id":")", i, R"(","value":")", i * 7, "\"}"));
  }
}

TEST(CsvTableTest, WhatIsWrongIsToldWithItsLine) {
  EXPECT_EQ(ErrorOf(""), "has no header line");
  EXPECT_EQ(ErrorOf("a,b\n1,2\n3\n"), "line 3: 1 fields where the header has 2");
  EXPECT_EQ(ErrorOf("a\n1,2\n"), "line 2: 2 fields where the header has 1");
  EXPECT_EQ(ErrorOf("a,b\n1,2\n2,2\n\n1,3\n"), "line 5: a second row with the key `1`");
  EXPECT_EQ(ErrorOf("a,b,a\n"), "line 1: a second column `a`");
  EXPECT_EQ(ErrorOf("a,,c\n"), "line 1: column 2 has no name");
  EXPECT_EQ(ErrorOf("a,b\n1,2\n", "c"), "has no column `c`; it has `a`, `b`");
  EXPECT_EQ(ErrorOf("a,b\n1,\"2\n"),
            "line 2: a quote is not closed in the record that begins on line 2");
  std::string wide = "c0";
  for (int i = 1; i <= 1024; ++i) base::StrAppend(&wide, ",c", i);
  EXPECT_EQ(ErrorOf(wide), "has 1025 columns; 1024 at most");
}

TEST(CsvTableTest, FilesAreNamed) {
  const auto none = CsvTable::Load("services/scoring/testdata/files/none.csv", "");
  EXPECT_THAT(
      std::string(none.status().message()),
      AllOf(HasSubstr("testdata/files/none.csv cannot be read"), HasSubstr("No such file")));
  const auto other = CsvTable::Load("services/scoring/csv_table_test.cc", "");
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("csv_table_test.cc: line "));
  EXPECT_FALSE(CsvTable::Load("services/scoring", "").ok());
}

}  // namespace
}  // namespace levada::scoring
