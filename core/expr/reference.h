#pragma once

#include <string>

namespace levada::expr {

// The functions as the reference page lists them: one Markdown table a group.
std::string FunctionReference();

}  // namespace levada::expr
