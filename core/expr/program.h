#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/expr/type.h"
#include "core/expr/value.h"

// Expressions, compiled once and evaluated for each event.
//
//   std::vector<Problem> problems;
//   auto when = expr::Compile("score > 900 && country != 'US'", &env, {Kind::kBool}, &problems);
//   ...
//   absl::StatusOr<bool> hit = when->Test(activation);
//
// The language is CEL: https://github.com/google/cel-spec. See docs/reference/expressions.md for
// what the manifest adds (bare names, `meta`, widening of numbers).
//
// Thread-safety: Compile uses its Env alone; a Program may be evaluated by several threads, each
// with its own Activation.
namespace levada::expr {

inline constexpr size_t kMaxSourceBytes = 64 * 1024;
inline constexpr int kMaxDepth = 250;  // of parentheses, calls, operators within operators

// Something wrong with an expression, and where: 1-based, columns in code points.
struct Problem {
  int line = 1;
  int column = 1;
  std::string message;
};

class Program {
 public:
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;
  ~Program();

  // The value, which is an error value where CEL says so (no such key, overflow, …). Does not
  // throw; allocates only from the activation's arena.
  Value Eval(Activation& activation) const;
  // For conditions: the boolean, or InvalidArgument with the error.
  absl::StatusOr<bool> Test(Activation& activation) const;
  // Appends the value as JSON. An expression that only names a field copies its bytes, so that
  // numbers keep all their digits.
  absl::Status AppendJson(Activation& activation, std::string* out) const;
  // The same as text, for templates.
  absl::Status AppendText(Activation& activation, std::string* out) const;

  Type type() const;
  const std::string& source() const;
  // Top-level fields of the event that it reads.
  const std::vector<std::string>& fields() const;
  bool uses_meta() const;
  // The expression uses `event` as a whole (`event[name]`, `size(event)`).
  bool uses_document() const;
  // The field of the event (its slot of the scan) that the expression names and nothing else, or
  // -1: its bytes may be copied.
  int copied_field() const;
  // True where the value does not depend on anything.
  bool constant() const;

  struct Code;
  explicit Program(std::unique_ptr<Code> code);  // for Compile

 private:
  std::unique_ptr<Code> code_;
};

// Compiles `source`. `expected`: the type the place wants (dyn: any); an expression whose type is
// only known when it is evaluated is accepted. On failure the status' message has all problems as
// "line:column: message" lines, and `problems` (may be null) gets them one by one.
absl::StatusOr<Program> Compile(std::string_view source, Env* env, Type expected = Type::Dyn(),
                                std::vector<Problem>* problems = nullptr);

}  // namespace levada::expr
