#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/aggregate/accumulator.h"
#include "core/expr/program.h"
#include "core/expr/type.h"

// The text of an aggregate: a name and, in parentheses, expressions.
//
//   ParsedCall call;
//   std::vector<expr::Problem> problems;
//   if (ParseCall("quantile(took, 0.95)", &call, &problems)) …   // call.arguments[1].text is
//   "0.95"
//
// Thread-safety: pure functions.
namespace levada::aggregate {

struct ParsedCall {
  struct Argument {
    std::string text;  // as written, without blanks around it
    // The same with blanks in place of all that stands before it, so that what is found wrong in it
    // has its line and column in the call.
    std::string padded;
  };
  Function function = Function::kCount;
  std::vector<Argument> arguments;
};

// False, with a problem, where it is no call of a function that there is, with as many arguments
// as it takes.
bool ParseCall(std::string_view text, ParsedCall* call, std::vector<expr::Problem>* problems);

std::string_view FunctionName(Function function);

// What is wrong with an argument of this type, or nothing.
std::string WrongType(Function function, expr::Type type);
// Type of the result over an argument of this type.
expr::Type ResultType(Function function, expr::Type argument);

}  // namespace levada::aggregate
