#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/strings.h"

namespace levada::base {

// "1 topic", "2 topics".
inline std::string Counted(size_t count, std::string_view what) {
  return StrCat(count, " ", what, count == 1 ? "" : "s");
}

}  // namespace levada::base
