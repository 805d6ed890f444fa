#pragma once

#include <string_view>
#include <vector>

#include "core/expr/ast.h"
#include "core/expr/fault.h"
#include "core/expr/lexer.h"

namespace levada::expr {

// Parses `source` into `tree`. False, with one or more faults, where it is not an expression.
bool Parse(std::string_view source, Tree* tree, std::vector<Fault>* faults);

}  // namespace levada::expr
