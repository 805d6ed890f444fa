#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/strings.h"
#include "core/expr/program.h"

namespace levada::expr {

// Compiles and evaluates one expression over one event: the value as JSON, "error: …" for an error
// value, or "line:column: …" where it does not compile.
inline std::string EvalForTest(Env* env, std::string_view source, std::string_view event = "{}",
                               Meta meta = {}) {
  const auto program = Compile(source, env);
  if (!program.ok()) return std::string(base::View(program.status().message()));
  std::vector<json::Value> slots(env->fields().size());
  json::ScanInfo info;
  const json::ScanError error = json::Scan(event, env->fields(), slots, &info);
  if (!error.ok()) return "bad event: " + error.Message(env->fields());
  base::Arena arena;
  Activation activation(*env, &arena);
  activation.Begin(event, slots, meta);
  const Value value = program->Eval(activation);
  if (!value.ok()) return base::StrCat("error: ", value.text());
  std::string out;
  return AppendJson(value, &out) ? out : "too large";
}

inline std::string EvalForTest(std::string_view source, std::string_view event = "{}") {
  Env env;
  return EvalForTest(&env, source, event);
}

}  // namespace levada::expr
