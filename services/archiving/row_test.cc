#include "services/archiving/row.h"

#include <gtest/gtest.h>

#include "core/base/time.h"

namespace levada::archiving {
namespace {

const Columns kAll = {{"b", ColumnType::kBoolean},   {"i", ColumnType::kInt},
                      {"l", ColumnType::kLong},      {"f", ColumnType::kFloat},
                      {"d", ColumnType::kDouble},    {"day", ColumnType::kDate},
                      {"t", ColumnType::kTimestamp}, {"s", ColumnType::kString},
                      {"list", ColumnType::kList},   {"o", ColumnType::kStruct}};

// The event as a row in JSON, without the record's own columns; or "error: …".
std::string RowOf(std::string_view event, Columns columns = kAll, std::string_view time = "") {
  RowReader reader(std::move(columns), time);
  Record record{.value = event};
  Row row;
  std::string error;
  if (!reader.Read(record, &row, &error)) return "error: " + error;
  std::string out;
  AppendRow(reader.columns(), row, &out);
  return out.substr(0, out.find(",\"_key\"")) + "}";
}

TEST(RowTest, EveryTypeIsRead) {
  EXPECT_EQ(RowOf(R"({"b":true,"i":-2147483648,"l":9223372036854775807,"f":1.5,"d":-0.25,
                      "day":"2026-11-02","t":"2026-11-02T08:00:00.5+01:00","s":"a\"\u00e9",
                      "list":[1, {"x":2}],"o":{"a":[]}})"),
            R"({"b":true,"i":-2147483648,"l":9223372036854775807,"f":1.5,"d":-0.25,)"
            R"("day":"2026-11-02","t":"2026-11-02T07:00:00.500Z","s":"a\"é",)"
            R"("list":"[1, {\"x\":2}]","o":"{\"a\":[]}","_extra":null})");
}

TEST(RowTest, NullAndAbsentAreNull) {
  const std::string nothing =
      R"({"b":null,"i":null,"l":null,"f":null,"d":null,"day":null,"t":null,"s":null,)"
      R"("list":null,"o":null,"_extra":null})";
  EXPECT_EQ(RowOf("{}"), nothing);
  EXPECT_EQ(RowOf(R"({"b":null,"o":null})"), nothing);
}

TEST(RowTest, WholeNumbersMayBeWrittenAsOnesWithAFraction) {
  const Columns columns = {{"i", ColumnType::kInt}, {"l", ColumnType::kLong}};
  EXPECT_EQ(RowOf(R"({"i":3.0,"l":1e3})", columns), R"({"i":3,"l":1000,"_extra":null})");
  EXPECT_EQ(RowOf(R"({"i":-0})", columns), R"({"i":0,"l":null,"_extra":null})");
}

TEST(RowTest, TimesMayBeNumbers) {
  const Columns columns = {{"t", ColumnType::kTimestamp}};
  EXPECT_EQ(RowOf(R"({"t":1709292896})", columns), R"({"t":"2024-03-01T11:34:56Z","_extra":null})");
  EXPECT_EQ(RowOf(R"({"t":1709292896789})", columns),
            R"({"t":"2024-03-01T11:34:56.789Z","_extra":null})");
}

TEST(RowTest, WhatDoesNotFitIsAnErrorWithTheFieldAndTheValue) {
  for (const auto& [event, error] : std::vector<std::pair<std::string, std::string>>{
           {R"({"b":1})", "field `b`: 1 is no boolean"},
           {R"({"i":2147483648})", "field `i`: 2147483648 is no int"},
           {R"({"i":1.5})", "field `i`: 1.5 is no int"},
           {R"({"i":"1"})", "field `i`: \"1\" is no int"},
           {R"({"l":9223372036854775808})", "field `l`: 9223372036854775808 is no long"},
           {R"({"l":1e300})", "field `l`: 1e300 is no long"},
           {R"({"f":1e39})", "field `f`: 1e39 is no float"},
           {R"({"d":1e400})", "field `d`: 1e400 is no double"},
           {R"({"d":"x"})", "field `d`: \"x\" is no double"},
           {R"({"day":"2026-02-30"})", "field `day`: \"2026-02-30\" is no date"},
           {R"({"t":"noon"})", "field `t`: \"noon\" is no timestamp"},
           {R"({"s":7})", "field `s`: 7 is no string"},
           {R"({"list":{}})", "field `list`: {} is no list"},
           {R"({"o":[]})", "field `o`: [] is no struct"}}) {
    EXPECT_EQ(RowOf(event), "error: " + error);
  }
  const std::string umlauts = "{\"d\":\"" + std::string(59, 'x') + "ääääää\"}";
  EXPECT_EQ(RowOf(umlauts), "error: field `d`: \"" + std::string(59, 'x') + "...\" is no double");
  EXPECT_EQ(RowOf("{}", {{"s", ColumnType::kString, true}}),
            "error: field `s` is required and absent");
  EXPECT_EQ(RowOf(R"({"s":null})", {{"s", ColumnType::kString, true}}),
            "error: field `s` is required and null");
}

TEST(RowTest, FieldsWithoutAColumnAreKept) {
  const Columns columns = {{"a", ColumnType::kLong}};
  EXPECT_EQ(RowOf(R"( { "x" : "y\n" , "a":1, "z":[1,2], "\u0061b":null } )", columns),
            R"({"a":1,"_extra":"{\"x\":\"y\\n\",\"z\":[1,2],\"\\u0061b\":null}"})");
  EXPECT_EQ(RowOf(R"({"\u0061":5})", columns), R"({"a":5,"_extra":null})");
}

TEST(RowTest, TheEventsTimeIsItsFieldOrElseTheRecords) {
  RowReader reader({}, "at");
  Row row;
  std::string error;
  Record record{.value = R"({"at":"2026-11-02T00:00:00Z"})", .timestamp_ms = 5};
  ASSERT_TRUE(reader.Read(record, &row, &error));
  EXPECT_EQ(row.event_micros, 1'793'577'600'000'000);
  EXPECT_TRUE(row.has_extra);  // the time is no column unless it is declared
  for (const char* event : {"{}", R"({"at":null})"}) {
    record.value = event;
    ASSERT_TRUE(reader.Read(record, &row, &error));
    EXPECT_EQ(row.event_micros, 5000);
  }
  record.timestamp_ms = 1'793'577'600'000'000'000;  // nanoseconds
  ASSERT_TRUE(reader.Read(record, &row, &error));
  EXPECT_EQ(row.event_micros, base::kMaxMicros / 1000 * 1000);
  record.value = R"({"at":[]})";
  EXPECT_FALSE(reader.Read(record, &row, &error));
  EXPECT_EQ(error, "field `at`: [] is no timestamp");
}

TEST(RowTest, ARecordWithoutValueIsARowOfNulls) {
  RowReader reader({{"a", ColumnType::kLong, /*required=*/true}}, "");
  Record record{.key = "k", .has_key = true, .has_value = false};
  Row row;
  std::string error, out;
  ASSERT_TRUE(reader.Read(record, &row, &error));
  AppendRow(reader.columns(), row, &out);
  EXPECT_EQ(out, R"({"a":null,"_extra":null,"_key":"k","_partition":0,"_offset":0,)"
                 R"("_timestamp":"1970-01-01T00:00:00Z"})");
}

TEST(RowTest, BrokenEventsAreErrors) {
  for (const char* event : {"", "[]", "{\"a\"", "{\"s\":\"\xff\"}", R"({"s":"1","s":"2"})"}) {
    EXPECT_TRUE(RowOf(event).starts_with("error: ")) << event;
  }
}

}  // namespace
}  // namespace levada::archiving
