#include "core/expr/program.h"

#include "core/base/strings.h"
#include "core/expr/builder.h"
#include "core/expr/checker.h"
#include "core/expr/fault.h"
#include "core/expr/parser.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

absl::Status ErrorOf(Value value) {
  return absl::InvalidArgumentError(base::AbslView(value.text()));
}

bool IsNumber(Kind kind) { return kind >= Kind::kInt && kind <= Kind::kDouble; }

// Whether a place that wants `expected` can take a value of type `type`.
bool Fits(Type type, Type expected) {
  return expected.dyn() || type.dyn() || type.kind == expected.kind ||
         (IsNumber(type.kind) && IsNumber(expected.kind));
}

}  // namespace

Program::Program(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;
Program::~Program() = default;

Value Program::Eval(Activation& activation) const {
  activation.StartEvaluation(code_->locals);
  const Value value = Run(code_->root, activation);
  return activation.exhausted() ? Exhausted() : value;
}

absl::StatusOr<bool> Program::Test(Activation& activation) const {
  const Value value = Eval(activation);
  if (value.is(Kind::kBool)) return value.boolean();
  if (!value.ok()) return ErrorOf(value);
  return absl::InvalidArgumentError(
      base::StrCat("expected a bool, found ", Type{value.kind()}.ToString()));
}

absl::Status Program::AppendJson(Activation& activation, std::string* out) const {
  const Value value = Eval(activation);
  if (!value.ok()) return ErrorOf(value);
  if (code_->copied_field >= 0) {
    const json::Value& raw = activation.RawField(code_->copied_field);
    if (raw.kind == json::Kind::kString) {
      base::StrAppend(out, "\"", raw.raw, "\"");
      return absl::OkStatus();
    }
    if (raw.kind == json::Kind::kNumber) {
      out->append(raw.raw);
      return absl::OkStatus();
    }
  }
  if (expr::AppendJson(value, out)) return absl::OkStatus();
  return absl::InvalidArgumentError("the result is too large or too deep for JSON");
}

absl::Status Program::AppendText(Activation& activation, std::string* out) const {
  const Value value = Eval(activation);
  if (!value.ok()) return ErrorOf(value);
  if (code_->copied_field >= 0) {
    const json::Value& raw = activation.RawField(code_->copied_field);
    if (raw.kind == json::Kind::kNumber && value.is_number()) {
      out->append(raw.raw);
      return absl::OkStatus();
    }
  }
  if (expr::AppendText(value, out)) return absl::OkStatus();
  return absl::InvalidArgumentError("the result is too large or too deep for text");
}

Type Program::type() const { return code_->type; }
const std::string& Program::source() const { return code_->source; }
const std::vector<std::string>& Program::fields() const { return code_->fields; }
bool Program::uses_meta() const { return code_->uses_meta; }
bool Program::uses_document() const { return code_->uses_document; }
int Program::copied_field() const { return code_->copied_field; }
bool Program::constant() const { return code_->constant; }

absl::StatusOr<Program> Compile(std::string_view source, Env* env, Type expected,
                                std::vector<Problem>* problems) {
  Tree tree;
  std::vector<Fault> faults;
  if (!Parse(source, &tree, &faults)) return Report(source, std::move(faults), problems);
  Uses uses;
  Check(&tree, env, &uses, &faults);
  if (faults.empty() && !Fits(tree.root->type, expected)) {
    faults.push_back({0, base::StrCat("expected a ", expected.ToString(), ", but this is a ",
                                      tree.root->type.ToString())});
  }
  if (!faults.empty()) return Report(source, std::move(faults), problems);
  std::unique_ptr<Program::Code> code = BuildCode(tree, *env, std::move(uses), &faults);
  if (!faults.empty()) return Report(source, std::move(faults), problems);
  code->source = std::string(source);
  return Program(std::move(code));
}

}  // namespace levada::expr
