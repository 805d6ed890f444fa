#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/expr/program.h"

// Text with expressions in it.
//
//   auto subject = Template::Compile("Blocked ${event_id} for ${amount}", &env);
//   absl::Status status = subject->Render(activation, &out);   // "Blocked 17 for 99.5"
//
// `${expression}` is replaced by its value as CEL's string() writes it (lists and maps as JSON);
// `$${` stands for `${`. Braces and quotes within an expression are balanced as CEL has them.
//
// Thread-safety: as Program.
namespace levada::expr {

class Template {
 public:
  // Problems have the line and column within the template.
  static absl::StatusOr<Template> Compile(std::string_view source, Env* env,
                                          std::vector<Problem>* problems = nullptr);

  // Appends the text. An expression that evaluates to an error is an InvalidArgument.
  absl::Status Render(Activation& activation, std::string* out) const;

  // True where there is no expression in it.
  bool constant() const { return parts_.empty(); }
  const std::string& source() const { return source_; }

 private:
  struct Part {
    std::string text;  // before the expression
    Program program;
  };
  std::string source_;
  std::vector<Part> parts_;
  std::string tail_;
};

}  // namespace levada::expr
