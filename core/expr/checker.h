#pragma once

#include <string>
#include <vector>

#include "core/expr/ast.h"
#include "core/expr/env.h"
#include "core/expr/parser.h"

namespace levada::expr {

// What an expression needs from the outside.
struct Uses {
  int locals = 0;  // variables of macros that are alive at once
  bool meta = false;
  bool document = false;
  std::vector<std::string> fields;
};

// Finds out where the value of each name comes from and, in manifest mode, the type of each node;
// what cannot be right is a fault. In strict mode there are no faults: what is wrong shows when it
// is evaluated.
void Check(Tree* tree, Env* env, Uses* uses, std::vector<Fault>* faults);

}  // namespace levada::expr
