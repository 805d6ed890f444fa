#pragma once

#include <iosfwd>
#include <span>
#include <string_view>

namespace levada::cli {

// `levada eval EXPRESSION` evaluates a CEL expression for each event of standard input (NDJSON) and
// prints one JSON value a line. `levada eval --cases FILE` runs test cases (core/expr/cases.h).
// `args` are those behind "eval". Returns the exit code: 0, 1 when an event or a case failed, 2 for
// a wrong expression, file or flag.
int RunEval(std::span<const std::string_view> args);
// The same over other streams, for tests.
int RunEval(std::span<const std::string_view> args, std::istream& in, std::ostream& out,
            std::ostream& error);

}  // namespace levada::cli
