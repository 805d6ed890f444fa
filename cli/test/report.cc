#include "cli/test/report.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "cli/test/colour.h"
#include "core/base/counted.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"

namespace levada::cli {
namespace {

using std::chrono::microseconds;

constexpr size_t kNamesOfFailed = 10;  // in a few lines

std::string Seconds(microseconds took) {
  return absl::StrFormat("%.6f", static_cast<double>(took.count()) / 1e6);
}

std::string Took(microseconds took) {
  const double ms = static_cast<double>(took.count()) / 1e3;
  return ms < 1000 ? absl::StrFormat("%.*f ms", ms < 10 ? 1 : 0, ms)
                   : absl::StrFormat("%.1f s", ms / 1e3);
}

std::string CoverageNote(const std::vector<StageCoverage>& stages) {
  const CoverageCount count = Count(stages);
  if (count.all == 0) return "";
  return base::StrCat(", ", count.covered, " of ", count.all, " steps, rules and outputs reached");
}

std::string LineText(std::string_view line, const Painter& paint) {
  if (line.starts_with("- ")) return paint.Bad(line);
  if (line.starts_with("+ ")) return paint.Good(line);
  return paint.Faint(line);
}

std::string ResultText(const TestResult& result, const Painter& paint) {
  std::string out =
      base::StrCat("  ", result.passed() ? paint.Good("ok    ") : paint.Bad("FAIL  "), result.name,
                   paint.Faint(base::StrCat(" (", Took(result.took), ")")), "\n");
  if (!result.error.empty()) base::StrAppend(&out, "    ", result.error, "\n");
  for (const Failure& failure : result.failures) {
    base::StrAppend(&out, "    ", failure.what, "\n");
    for (const std::string& line : failure.lines) {
      base::StrAppend(&out, "      ", LineText(line, paint), "\n");
    }
  }
  return out;
}

// Text and attributes of XML 1.0, which has no place for most control characters.
std::string Escape(std::string_view text) {
  std::string out;
  for (const char* at = text.data(); at < text.data() + text.size();) {
    const int length = base::Utf8SequenceLength(at, text.data() + text.size());
    const char c = *at;
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n') {
      out += "&#10;";
    } else if (length <= 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\t')) {
      out += "\xEF\xBF\xBD";
    } else {
      out.append(at, length);
    }
    at += std::max(1, length);
  }
  return out;
}

void AppendCase(const Suite& suite, const TestResult& result, std::string* out) {
  base::StrAppend(out, "    <testcase name=\"", Escape(result.name), "\" classname=\"",
                  Escape(suite.pipeline), "\" file=\"", Escape(suite.file), "\" time=\"",
                  Seconds(result.took), "\"");
  if (result.passed()) {
    *out += "/>\n";
    return;
  }
  const bool error = !result.error.empty();
  const std::string_view element = error ? "error" : "failure";
  base::StrAppend(out, ">\n      <", element, " message=\"",
                  Escape(error ? result.error : result.failures.front().what), "\">",
                  Escape(FailureText(result)), "</", element, ">\n    </testcase>\n");
}

}  // namespace

size_t Suite::Failed() const {
  return std::count_if(tests.begin(), tests.end(),
                       [](const TestResult& result) { return !result.passed(); });
}

std::string FailedText(const std::vector<Suite>& suites) {
  std::string out;
  for (const Suite& suite : suites) {
    if (!suite.error.empty()) base::StrAppend(&out, "no test could run: ", suite.error, "\n");
    if (suite.Failed() == 0) continue;
    base::StrAppend(&out, suite.Failed(), " of ", base::Counted(suite.tests.size(), "test"),
                    " failed: ");
    size_t told = 0;
    for (const TestResult& result : suite.tests) {
      if (result.passed()) continue;
      if (told == kNamesOfFailed) base::StrAppend(&out, "; and more");
      if (told++ >= kNamesOfFailed) break;
      base::StrAppend(&out, told == 1 ? "" : "; ", result.name, " (",
                      result.error.empty() ? result.failures.front().what : result.error, ")");
    }
    out += "\n";
  }
  return out;
}

std::string FailureText(const TestResult& result) {
  std::string out;
  if (!result.error.empty()) base::StrAppend(&out, result.error, "\n");
  for (const Failure& failure : result.failures) {
    base::StrAppend(&out, failure.what, "\n");
    for (const std::string& line : failure.lines) base::StrAppend(&out, "  ", line, "\n");
  }
  return out;
}

std::string SuiteText(const Suite& suite, const ReportStyle& style) {
  const Painter paint(style.colour);
  const std::string name = base::StrCat(suite.file, ": ", suite.pipeline, ": ");
  if (!suite.error.empty()) {
    return base::StrCat(paint.Bad("FAIL  "), name, suite.error, "\n");
  }
  if (suite.tests.empty()) return base::StrCat(paint.Faint("none  "), name, "no tests\n");
  const std::string count =
      suite.passed() ? base::Counted(suite.tests.size(), "test") + " passed"
                     : base::StrCat(suite.Failed(), " of ",
                                    base::Counted(suite.tests.size(), "test"), " failed");
  std::string out = base::StrCat(suite.passed() ? paint.Good("ok    ") : paint.Bad("FAIL  "), name,
                                 count, CoverageNote(suite.coverage),
                                 paint.Faint(base::StrCat(" (", Took(suite.took), ")")), "\n");
  for (const TestResult& result : suite.tests) {
    if (style.verbose || !result.passed()) out += ResultText(result, paint);
  }
  if (style.coverage) out += CoverageText(suite.coverage, style.colour);
  return out;
}

std::string SummaryText(const std::vector<Suite>& suites, microseconds took,
                        const ReportStyle& style) {
  const Painter paint(style.colour);
  size_t passed = 0, failed = 0;
  for (const Suite& suite : suites) {
    failed += suite.Failed() + (suite.error.empty() ? 0 : 1);
    passed += suite.tests.size() - suite.Failed();
  }
  const std::string text = base::StrCat(passed, " passed, ", failed, " failed");
  return base::StrCat(failed == 0 ? paint.Good(text) : paint.Bad(text),
                      paint.Faint(base::StrCat(" (", Took(took), ")")), "\n");
}

std::string JunitXml(const std::vector<Suite>& suites) {
  std::string body;
  size_t tests = 0, failures = 0, errors = 0;
  microseconds took{0};
  for (const Suite& suite : suites) {
    std::vector<TestResult> results = suite.tests;
    if (!suite.error.empty()) results.push_back({.name = "the stages start", .error = suite.error});
    const size_t broken = std::count_if(results.begin(), results.end(),
                                        [](const TestResult& one) { return !one.error.empty(); });
    const size_t failed = std::count_if(results.begin(), results.end(),
                                        [](const TestResult& one) { return !one.passed(); }) -
                          broken;
    base::StrAppend(&body, "  <testsuite name=\"", Escape(suite.pipeline), "\" file=\"",
                    Escape(suite.file), "\" tests=\"", results.size(), "\" failures=\"", failed,
                    "\" errors=\"", broken, "\" time=\"", Seconds(suite.took), "\">\n");
    for (const TestResult& result : results) AppendCase(suite, result, &body);
    body += "  </testsuite>\n";
    tests += results.size();
    failures += failed;
    errors += broken;
    took += suite.took;
  }
  return base::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"levada test\" tests=\"",
      tests, "\" failures=\"", failures, "\" errors=\"", errors, "\" time=\"", Seconds(took),
      "\">\n", body, "</testsuites>\n");
}

}  // namespace levada::cli
