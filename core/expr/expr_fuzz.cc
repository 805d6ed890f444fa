// The first line is an expression (in strict mode where it begins with '!'), the rest an event. No
// input may crash, hang or take memory without bound.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/expr/program.h"
#include "core/expr/template.h"

namespace levada::expr {
namespace {

void Evaluate(std::string_view source, std::string_view event, Env* env) {
  const auto program = Compile(source, env);
  const auto text = Template::Compile(source, env);
  std::vector<json::Value> slots(env->fields().size());
  json::ScanInfo info;
  base::Arena arena;
  Activation activation(*env, &arena);
  if (json::Scan(event, env->fields(), slots, &info).ok()) {
    activation.Begin(event, slots);
  } else {
    activation.Begin();
  }
  std::string out;
  if (program.ok()) {
    const Value value = program->Eval(activation);
    AppendJson(value, &out);
    AppendText(value, &out);
    program->AppendJson(activation, &out).IgnoreError();
  }
  if (text.ok()) text->Render(activation, &out).IgnoreError();
}

}  // namespace
}  // namespace levada::expr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using levada::expr::Env;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  std::string_view source = input.substr(0, end);
  const std::string_view event = input.substr(std::min(end + 1, input.size()));
  const bool strict = source.starts_with('!');
  if (strict) source.remove_prefix(1);
  Env env(strict ? Env::Mode::kStrict : Env::Mode::kManifest);
  env.DeclareField("amount", levada::expr::FieldType::kDouble);
  env.DeclareField("time", levada::expr::FieldType::kTimestamp);
  env.DeclareField("id", levada::expr::FieldType::kLong);
  env.DeclareField("data", levada::expr::FieldType::kBinary);
  levada::expr::Evaluate(source, event, &env);
  return 0;
}
