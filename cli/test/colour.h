#pragma once

#include <string>
#include <string_view>

#include "core/base/strings.h"

namespace levada::cli {

// Parts of a text for a terminal; the text itself where there is none.
class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}

  std::string Good(std::string_view text) const { return Paint("32", text); }
  std::string Bad(std::string_view text) const { return Paint("31", text); }
  std::string Faint(std::string_view text) const { return Paint("2", text); }
  std::string Bold(std::string_view text) const { return Paint("1", text); }

 private:
  std::string Paint(std::string_view code, std::string_view text) const {
    if (!colour_) return std::string(text);
    return base::StrCat("\033[", code, "m", text, "\033[0m");
  }

  const bool colour_;
};

}  // namespace levada::cli
