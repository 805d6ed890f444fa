#include "core/expr/cases.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace levada::expr {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

void ExpectAllPass(const absl::StatusOr<CaseReport>& report, int at_least) {
  ASSERT_TRUE(report.ok()) << report.status();
  for (const CaseFailure& failure : report->failures) {
    ADD_FAILURE() << failure.name << ": " << failure.message;
  }
  EXPECT_GE(report->passed, at_least);
}

TEST(Cases, OwnFilePasses) {
  ExpectAllPass(RunCases(ReadFile("core/expr/testdata/cases.json")), 300);
}

// Google's conformance cases. They are not part of this repository.
TEST(Cases, ConformancePasses) {
  const std::string json = ReadFile("../shared/data/cel-cases.json");
  if (json.empty()) GTEST_SKIP() << "left out: ../shared/data/cel-cases.json is not here";
  const absl::StatusOr<CaseReport> report = RunCases(json);
  ExpectAllPass(report, 847);
  EXPECT_EQ(report->left_out.size(), 2u);
  for (const CaseFailure& it : report->left_out) {
    EXPECT_TRUE(it.name.starts_with("parse/bytes_literals/")) << it.name;
  }
}

TEST(Cases, AWrongExpectationFails) {
  const auto report = RunCases(R"([
    {"name": "value", "expr": "1 + 1", "value": {"int": "3"}},
    {"name": "kind", "expr": "1 + 1", "value": {"uint": "2"}},
    {"name": "no error", "expr": "1", "error": true},
    {"name": "an error", "expr": "1 / 0", "value": {"int": "1"}},
    {"name": "inner kind", "expr": "[1]", "value": {"list": [{"double": 1}]}},
    {"name": "map", "expr": "{'a': 1}", "value": {"map": [[{"string": "b"}, {"int": "1"}]]}},
    {"name": "unknown type", "expr": "1", "value": {"integer": "1"}}])");
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->passed, 0);
  ASSERT_EQ(report->failures.size(), 7u);
  EXPECT_EQ(report->failures[0].name, "value");
  EXPECT_EQ(report->failures[0].message, "expected int 3, got int 2");
  EXPECT_EQ(report->failures[2].message, "expected an error, got int 1");
}

TEST(Cases, OnlyTheWantedOnesRun) {
  const auto report = RunCases(
      R"([{"name": "a/1", "expr": "1", "value": {"int": "1"}},
          {"name": "b/1", "expr": "1", "value": {"int": "2"}}])",
      [](std::string_view name) { return name.starts_with("a/"); });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->passed, 1);
  EXPECT_TRUE(report->failures.empty());
}

TEST(Cases, ABrokenFileIsAnError) {
  EXPECT_FALSE(RunCases("").ok());
  EXPECT_FALSE(RunCases("{}").ok());
  EXPECT_FALSE(RunCases("[1]").ok());
  EXPECT_FALSE(RunCases(R"([{"name": "no expectation", "expr": "1"}])").ok());
  EXPECT_FALSE(RunCases(R"([{"expr": "1", "value": {"int": "1"}}])").ok());
}

}  // namespace
}  // namespace levada::expr
