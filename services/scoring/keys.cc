#include "services/scoring/keys.h"

#include "core/base/strings.h"

namespace levada::scoring {

absl::StatusOr<KeyMaker> KeyMaker::Make(
    expr::Env* env, std::string_view what,
    const google::protobuf::RepeatedPtrField<std::string>& expressions) {
  KeyMaker maker;
  for (const std::string& source : expressions) {
    auto program = expr::Compile(source, env);
    if (!program.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat(what, " `", source, "`: ", program.status().message()));
    }
    maker.programs_.push_back(*std::move(program));
  }
  return maker;
}

bool KeyMaker::Key(expr::Activation& activation, std::string_view* key) {
  const bool several = programs_.size() > 1;
  text_.clear();
  if (several) text_.push_back('[');
  for (const expr::Program& program : programs_) {
    const expr::Value value = program.Eval(activation);
    if (!value.ok()) {
      text_ = base::StrCat("`", program.source(), "`: ", value.text());
      *key = text_;
      return false;
    }
    if (!several && value.is(expr::Kind::kString)) {
      *key = value.text();
      return true;
    }
    if (text_.size() > 1) text_.push_back(',');
    const bool written =
        several ? expr::AppendJson(value, &text_) : expr::AppendText(value, &text_);
    if (!written) {
      text_ = base::StrCat("`", program.source(), "`: the value is too large for a key");
      *key = text_;
      return false;
    }
  }
  if (several) text_.push_back(']');
  *key = text_;
  return true;
}

std::string KeyMaker::signature() const {
  std::string signature;
  for (const expr::Program& program : programs_)
    base::StrAppend(&signature, program.source(), "\n");
  return signature;
}

}  // namespace levada::scoring
