#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/expr/ast.h"

namespace levada::expr {

// The calls that are not functions, since they bind names or do not evaluate an argument:
//   has(e.f)
//   e.all(x, p)   e.exists(x, p)   e.exists_one(x, p)   e.filter(x, p)   e.map(x, [p,] t)
//   e.all(k, v, p)   e.exists(k, v, p)   e.existsOne(k, v, p)
//   e.transformList(k, v, [p,] t)   e.transformMap(k, v, [p,] t)
//   cel.bind(x, value, e)   o.optMap(x, e)   o.optFlatMap(x, e)
//
// True if the call is one of them: then `expanded` is what it stands for, or null with `error`.
bool ExpandMacro(Tree* tree, Ast* target, std::string_view name, const std::vector<Ast*>& args,
                 uint32_t offset, Ast** expanded, std::string* error);

}  // namespace levada::expr
