#pragma once

#include <memory>
#include <vector>

#include "core/expr/ast.h"
#include "core/expr/checker.h"
#include "core/expr/node.h"

namespace levada::expr {

// The code of a checked tree, which it does not need any more afterwards. Faults are calls and
// patterns that can only fail.
std::unique_ptr<Program::Code> BuildCode(const Tree& tree, const Env& env, Uses uses,
                                         std::vector<Fault>* faults);

}  // namespace levada::expr
