#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/expr/program.h"
#include "google/protobuf/repeated_field.h"

// What events are told apart by: one expression or several.
//
//   auto by = KeyMaker::Make(&context.env, "by", config.by());
//   std::string_view key;
//   if (!by->Key(event.activation, &key)) …             // "C1", or ["C1",17]
//
// One value is its text, as Kafka's keys are; several are a JSON array of them. Null is a
// value like others (`null`); a field that is absent is an error of the event. The view is valid
// until the next call.
//
// Threads: one at a time.
namespace levada::scoring {

class KeyMaker {
 public:
  static absl::StatusOr<KeyMaker> Make(
      expr::Env* env, std::string_view what,
      const google::protobuf::RepeatedPtrField<std::string>& expressions);

  // False: an expression failed, `key` is its error.
  bool Key(expr::Activation& activation, std::string_view* key);

  // The field of the event (its slot of the scan) that is the key; -1: it is not that simple.
  int field() const { return programs_.size() == 1 ? programs_[0].copied_field() : -1; }
  const std::vector<expr::Program>& programs() const { return programs_; }
  // What the keys depend on.
  std::string signature() const;

 private:
  std::vector<expr::Program> programs_;
  std::string text_;
};

}  // namespace levada::scoring
