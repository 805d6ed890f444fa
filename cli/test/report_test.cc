#include "cli/test/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

Suite Shop() {
  Suite suite{.file = "shop.yaml", .pipeline = "shop", .took = 20ms};
  suite.tests.push_back({.name = "small orders pass", .took = 2500us});
  suite.tests.push_back({.name = "large \"orders\" & <more>",
                         .failures = {{"stage score: record 1 of 2 differs",
                                       {"- large: true", "+ large: false", "  in {\"id\":1}"}}},
                         .took = 1ms});
  suite.coverage = {
      {"score",
       {{"step 1 (filter)", 3}, {"step 2 (rules)", 3}, {"rule big of step 2 (rules)", 0}}}};
  return suite;
}

TEST(Report, SaysWhatFailedAndWhy) {
  EXPECT_EQ(SuiteText(Shop(), {}),
            "FAIL  shop.yaml: shop: 1 of 2 tests failed, 2 of 3 steps, rules and outputs reached "
            "(20 ms)\n"
            "  FAIL  large \"orders\" & <more> (1.0 ms)\n"
            "    stage score: record 1 of 2 differs\n"
            "      - large: true\n"
            "      + large: false\n"
            "        in {\"id\":1}\n");
  EXPECT_THAT(SuiteText(Shop(), {.verbose = true}),
              HasSubstr("\n  ok    small orders pass (2.5 ms)\n"));
  EXPECT_THAT(SuiteText(Shop(), {.coverage = true}),
              HasSubstr("\n  score  2 of 3 steps, rules and outputs\n"
                        "    not reached: rule big of step 2 (rules)\n"));
}

TEST(Report, IsColouredOnATerminalOnly) {
  EXPECT_THAT(SuiteText(Shop(), {}), Not(HasSubstr("\033[")));
  EXPECT_THAT(SuiteText(Shop(), {.colour = true}), HasSubstr("\033[31m- large: true\033[0m"));
  EXPECT_THAT(SuiteText(Shop(), {.colour = true}), HasSubstr("\033[32m+ large: false\033[0m"));
}

TEST(Report, SaysThatThereAreNoTestsOrThatTheyCouldNotRun) {
  EXPECT_EQ(SuiteText({.file = "a.yaml", .pipeline = "a"}, {}), "none  a.yaml: a: no tests\n");
  EXPECT_EQ(SuiteText({.file = "a.yaml", .pipeline = "a", .error = "stage x: no model"}, {}),
            "FAIL  a.yaml: a: stage x: no model\n");
}

TEST(Report, SumsUp) {
  const Suite broken{.file = "a.yaml", .pipeline = "a", .error = "stage x: no model"};
  EXPECT_EQ(SummaryText({Shop(), broken}, 1500ms, {}), "1 passed, 2 failed (1.5 s)\n");
  EXPECT_EQ(SummaryText({}, 0us, {}), "0 passed, 0 failed (0.0 ms)\n");
}

TEST(Report, NamesWhatFailedInALine) {
  EXPECT_EQ(
      FailedText({Shop()}),
      "1 of 2 tests failed: large \"orders\" & <more> (stage score: record 1 of 2 differs)\n");
  EXPECT_EQ(FailedText({{.file = "a.yaml", .pipeline = "a", .error = "stage x: no model"}}),
            "no test could run: stage x: no model\n");
  EXPECT_EQ(FailedText({{.file = "a.yaml", .pipeline = "a"}}), "");
  Suite many{.tests = std::vector<TestResult>(12, {.name = "t", .error = "e"})};
  EXPECT_THAT(FailedText({many}), HasSubstr("; t (e); and more\n"));
}

TEST(Report, Junit) {
  const Suite broken{.file = "a.yaml", .pipeline = "a", .error = "no \x01 model\xFF\n"};
  EXPECT_EQ(
      JunitXml({Shop(), broken}),
      R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="levada test" tests="3" failures="1" errors="1" time="0.020000">
  <testsuite name="shop" file="shop.yaml" tests="2" failures="1" errors="0" time="0.020000">
    <testcase name="small orders pass" classname="shop" file="shop.yaml" time="0.002500"/>
    <testcase name="large &quot;orders&quot; &amp; &lt;more&gt;" classname="shop" file="shop.yaml" time="0.001000">
      <failure message="stage score: record 1 of 2 differs">stage score: record 1 of 2 differs&#10;  - large: true&#10;  + large: false&#10;    in {&quot;id&quot;:1}&#10;</failure>
    </testcase>
  </testsuite>
  <testsuite name="a" file="a.yaml" tests="1" failures="0" errors="1" time="0.000000">
    <testcase name="the stages start" classname="a" file="a.yaml" time="0.000000">
      <error message="no )"
      "\xEF\xBF\xBD model\xEF\xBF\xBD&#10;\">no \xEF\xBF\xBD model\xEF\xBF\xBD&#10;&#10;</error>\n"
      R"(    </testcase>
  </testsuite>
</testsuites>
)");
}

TEST(Coverage, CountsWhatWasReached) {
  const CoverageCount count = Count(Shop().coverage);
  EXPECT_EQ(count.covered, 2u);
  EXPECT_EQ(count.all, 3u);
}

}  // namespace
}  // namespace levada::cli
