#pragma once

#include <string>

#include "core/expr/ast.h"

// What operators and functions give for the types of their arguments, in manifest mode.
namespace levada::expr {

// The type of an operator or call whose arguments have theirs. Where no overload can take them,
// `error` says what was expected.
Type OperatorType(const Ast& node, std::string* error);
Type CallType(const Ast& node, std::string* error);

// The same for a macro, whose arguments have their types. `*where`: the argument that is wrong.
Type MacroType(const Ast& node, const Ast** where, std::string* error);

}  // namespace levada::expr
