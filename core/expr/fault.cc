#include "core/expr/fault.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/expr/program.h"
#include "core/expr/text.h"

namespace levada::expr {
namespace {

Problem Locate(std::string_view source, const Fault& fault) {
  const std::string_view before = source.substr(0, fault.offset);
  const size_t line_start =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  Problem problem;
  problem.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  problem.column = 1 + static_cast<int>(CountCodePoints(before.substr(line_start)));
  problem.message = fault.message;
  return problem;
}

}  // namespace

absl::Status Report(std::string_view source, std::vector<Fault> faults,
                    std::vector<Problem>* problems) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return a.offset < b.offset; });
  std::string message;
  for (const Fault& fault : faults) {
    const Problem problem = Locate(source, fault);
    base::StrAppend(&message, message.empty() ? "" : "\n", problem.line, ":", problem.column, ": ",
                    problem.message);
    if (problems != nullptr) problems->push_back(problem);
  }
  return absl::InvalidArgumentError(message);
}

}  // namespace levada::expr
