#include "core/pipeline/expression_check.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/expr/template.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"

namespace levada::pipeline {
namespace {

// Byte offset of a line and column (in characters), both counted from 1.
size_t OffsetOf(std::string_view text, int line, int column) {
  size_t at = 0;
  for (; line > 1; --line) {
    const size_t end = text.find('\n', at);
    if (end == text.npos) return text.size();
    at = end + 1;
  }
  for (; column > 1 && at < text.size(); --column) {
    const int length = base::Utf8SequenceLength(text.data() + at, text.data() + text.size());
    at += length > 0 ? length : 1;
  }
  return std::min(at, text.size());
}

}  // namespace

void Tell(const CheckContext& context, const std::string& path, const std::string& text,
          const std::vector<expr::Problem>& problems) {
  for (const expr::Problem& problem : problems) {
    context.problems->Add(context.source.Inside(
        path, text, OffsetOf(text, problem.line, problem.column), problem.message));
  }
}

ExpressionCheck::ExpressionCheck(const CheckContext& context, const v1::Topic* from)
    : context_(context), from_(from), env_(EnvOf(from)) {}

std::optional<expr::Type> ExpressionCheck::Expression(const std::string& path,
                                                      const std::string& text,
                                                      expr::Type expected) {
  if (text.empty() || context_.source.Broken(path)) return std::nullopt;
  std::vector<expr::Problem> problems;
  const auto program = expr::Compile(text, &env_, expected, &problems);
  Tell(context_, path, text, problems);
  if (!program.ok()) return std::nullopt;
  return program->type();
}

void ExpressionCheck::Template(const std::string& path, const std::string& text) {
  if (context_.source.Broken(path)) return;
  std::vector<expr::Problem> problems;
  (void)expr::Template::Compile(text, &env_, &problems);  // `problems` has all there is to know
  Tell(context_, path, text, problems);
}

// A field that the step mentions is one that the event can have.
void ExpressionCheck::Mention(const std::string& path, const std::string& name) {
  if (name.empty() || context_.source.Broken(path)) return;
  const KnownFields known = FieldsAt(env_, from_);
  std::vector<std::string> names;
  for (const KnownFields::Field& field : known.fields) names.push_back(field.name);
  const bool found = std::find(names.begin(), names.end(), name) != names.end();
  const bool removed = env_.Find(name).source == expr::Env::Name::Source::kRemoved;
  if (found || (!known.complete && !removed)) return;
  context_.Error(path, base::StrCat("the event has no field ", Quote(name), " at this step"),
                 NearestHint(name, names));
}

void ExpressionCheck::All(const std::string& path, const Texts& texts) {
  for (int i = 0; i < texts.size(); ++i) Expression(pipeline::Join(path, i), texts[i]);
}

void ExpressionCheck::Number(const std::string& path, const std::string& text) {
  const auto type = Expression(path, text);
  if (!type.has_value() || type->dyn()) return;
  const expr::Kind kind = type->kind;
  const bool number =
      kind == expr::Kind::kInt || kind == expr::Kind::kUint || kind == expr::Kind::kDouble;
  if (number || kind == expr::Kind::kBool) return;
  context_.Error(path, base::StrCat("expected a number or a boolean (taken as 1 or 0), got ",
                                    type->ToString()));
}

}  // namespace levada::pipeline
