#include "core/base/strings.h"
#include "core/pipeline/testing.h"

// Each file in testdata/bad is a manifest with something wrong, followed by all that is to be said
// of it, a problem a line: `#! line:column: path: message (hint)`. New cases need only a new file:
// run with LEVADA_UPDATE_GOLDENS=1 to have the lines written, then read them.
namespace levada::pipeline {
namespace {

constexpr char kFolder[] = "core/pipeline/testdata/bad";
constexpr std::string_view kMark = "#! ";

struct Case {
  std::string manifest;
  std::string expected;
};

Case Split(const std::string& text) {
  const size_t at = text.find(std::string("\n") + std::string(kMark));
  if (text.starts_with(kMark)) return {"", text};
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at + 1), text.substr(at + 1)};
}

std::string Render(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems.all()) {
    base::StrAppend(&out, kMark, problem.line, ":", problem.column, ": ",
                    problem.severity == Severity::kWarning ? "warning: " : "", problem.path,
                    problem.path.empty() ? "" : ": ", problem.message);
    if (!problem.hint.empty()) base::StrAppend(&out, " (", problem.hint, ")");
    out += "\n";
  }
  return out;
}

class BadManifest : public testing::TestWithParam<std::string> {};

TEST_P(BadManifest, IsTold) {
  const std::string file = base::StrCat(kFolder, "/", GetParam(), ".yaml");
  const auto [manifest, expected] = Split(ReadTestFile(file));
  const Problems problems = Validate(manifest, file);
  EXPECT_FALSE(problems.empty());
  if (UpdateGoldens()) return WriteTestFile(file, manifest + Render(problems));
  EXPECT_EQ(Render(problems), expected);
}

INSTANTIATE_TEST_SUITE_P(All, BadManifest, testing::ValuesIn(CasesIn(kFolder)),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace levada::pipeline
