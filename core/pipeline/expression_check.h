#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/expr/env.h"
#include "core/expr/program.h"
#include "core/pipeline/check_context.h"

// The expressions of one stage, in the order in which its worker compiles them: what is wrong with
// them is told where it stands in the manifest, and what is known of the events goes along.
//
//   ExpressionCheck check(context, from);
//   check.Expression("spec.stages[0].notify.when", notify.when(), kCondition);
//   check.Step(step, "spec.stages[0].scoring.steps[0]");   // and what it adds or takes away
//
// Thread-safety: one thread at a time.
namespace levada::pipeline {

inline constexpr expr::Type kCondition{expr::Kind::kBool};

// Problems of an expression, each at its place in the manifest.
void Tell(const CheckContext& context, const std::string& path, const std::string& text,
          const std::vector<expr::Problem>& problems);

class ExpressionCheck {
 public:
  // `from`: the topic that the stage reads; null: any events.
  ExpressionCheck(const CheckContext& context, const v1::Topic* from);

  // Its type, where it is right.
  std::optional<expr::Type> Expression(const std::string& path, const std::string& text,
                                       expr::Type expected = expr::Type::Dyn());
  void Template(const std::string& path, const std::string& text);
  void Step(const v1::Step& step, const std::string& path);

  void Add(const std::string& name, expr::Type type) {
    if (!name.empty()) env_.DeclareSlot(name, type);
  }
  const expr::Env& env() const { return env_; }
  // The topic whose fields the events have; null behind a window.
  const v1::Topic* from() const { return from_; }

 private:
  using Texts = google::protobuf::RepeatedPtrField<std::string>;
  using Aggregates = google::protobuf::RepeatedPtrField<v1::Aggregate>;

  void Mention(const std::string& path, const std::string& name);
  void All(const std::string& path, const Texts& texts);
  void Number(const std::string& path, const std::string& text);

  void Set(const v1::Step& step, const std::string& path);
  void Drop(const v1::Step& step, const std::string& path);
  void Select(const v1::Step& step, const std::string& path);
  void Model(const v1::Model& model, const std::string& path);
  void Rules(const v1::Rules& rules, const std::string& path);
  void Join(const v1::Join& join, const std::string& path);
  void Features(const v1::Features& features, const std::string& path);
  void Window(const v1::Window& window, const std::string& path);
  void Anomaly(const v1::Anomaly& anomaly, const std::string& path);
  // An aggregate and its condition, of either kind of message.
  template <typename Message>
  void Aggregate(const Message& aggregate, bool sliding, const std::string& path);

  const CheckContext& context_;
  const v1::Topic* from_;
  expr::Env env_;
};

}  // namespace levada::pipeline
