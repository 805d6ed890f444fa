#include "core/expr/reference.h"

#include "core/base/strings.h"
#include "core/expr/functions.h"

namespace levada::expr {
namespace {

constexpr std::string_view kTitles[] = {"Conversions and sizes",
                                        "Text",
                                        "Regular expressions",
                                        "Lists and sets",
                                        "Times and durations",
                                        "Times as text and by the calendar",
                                        "Numbers",
                                        "Networks",
                                        "URLs",
                                        "Places",
                                        "Hashes",
                                        "Optional values"};

std::string Call(const Function& function, bool member) {
  std::string text;
  size_t first = 0;
  if (member) {
    base::StrAppend(&text, Type{function.parameters[0]}.ToString(), ".");
    first = 1;
  }
  base::StrAppend(&text, function.name, "(");
  for (size_t i = first; i < function.count; ++i) {
    base::StrAppend(&text, i == first ? "" : ", ", Type{function.parameters[i]}.ToString());
  }
  return base::StrCat("`", text, function.variadic ? ", …)`" : ")`");
}

}  // namespace

std::string FunctionReference() {
  std::string out;
  size_t group = 0;
  for (const auto& table : AllFunctions()) {
    base::StrAppend(&out, "\n### ", kTitles[group++],
                    "\n\n| Function | Gives | What it is |\n|---|---|---|\n");
    for (const Function& function : table) {
      const bool member = function.style != Function::Style::kGlobal;
      const bool global = function.style != Function::Style::kMember;
      base::StrAppend(&out, "| ", member ? Call(function, true) : "", member && global ? ", " : "",
                      global ? Call(function, false) : "", " | ", function.result.ToString(), " | ",
                      function.help, " |\n");
    }
  }
  return out;
}

}  // namespace levada::expr
