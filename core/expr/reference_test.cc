#include "core/expr/reference.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace levada::expr {
namespace {

constexpr char kPage[] = "docs/reference/expressions.md";
constexpr std::string_view kMark = "<!-- functions: written by LEVADA_WRITE_DOCS=1 expr_test -->\n";

TEST(Reference, ThePageListsTheFunctionsThatThereAre) {
  std::ifstream file(kPage);
  std::stringstream content;
  content << file.rdbuf();
  const std::string page = content.str();
  const size_t mark = page.find(kMark);
  ASSERT_NE(mark, std::string::npos) << kPage << " has no line '" << kMark << "'";
  const std::string wanted = page.substr(0, mark + kMark.size()) + FunctionReference();
  if (std::getenv("LEVADA_WRITE_DOCS") != nullptr) {
    std::ofstream(kPage) << wanted;
    return;
  }
  EXPECT_EQ(page, wanted) << "stale: run LEVADA_WRITE_DOCS=1 build/release/bin/expr_test";
}

}  // namespace
}  // namespace levada::expr
