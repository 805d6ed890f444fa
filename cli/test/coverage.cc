#include "cli/test/coverage.h"

#include <algorithm>

#include "cli/test/colour.h"
#include "core/base/strings.h"

namespace levada::cli {

CoverageCount Count(const std::vector<StageCoverage>& stages) {
  CoverageCount count;
  for (const StageCoverage& stage : stages) {
    count.all += stage.items.size();
    count.covered += std::count_if(stage.items.begin(), stage.items.end(),
                                   [](const CoverageItem& item) { return item.events > 0; });
  }
  return count;
}

std::string CoverageText(const std::vector<StageCoverage>& stages, bool colour) {
  const Painter paint(colour);
  size_t width = 0;
  for (const StageCoverage& stage : stages) width = std::max(width, stage.stage.size());
  std::string out;
  for (const StageCoverage& stage : stages) {
    const CoverageCount count = Count({stage});
    base::StrAppend(&out, "  ", stage.stage, std::string(width - stage.stage.size() + 2, ' '),
                    count.covered, " of ", count.all, " steps, rules and outputs\n");
    for (const CoverageItem& item : stage.items) {
      if (item.events > 0) continue;
      base::StrAppend(&out, "    ", paint.Bad(base::StrCat("not reached: ", item.name)), "\n");
    }
  }
  return out;
}

}  // namespace levada::cli
