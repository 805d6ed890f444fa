#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/arena.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/expr/program.h"
#include "core/expr/template.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"
#include "services/notify/notification.h"

// Evaluates a notify stage's condition and templates over records.
//
// Thread-safety: one thread.
namespace levada::notify {

class Renderer {
 public:
  // InvalidArgument: an expression that does not compile. `topic` may be null.
  static absl::StatusOr<std::unique_ptr<Renderer>> Create(const v1::Notify& notify,
                                                          const v1::Topic* topic);

  enum class Verdict { kSend, kSkip, kDead };
  // Fills `event` where it is to be sent, `error` where it cannot be. Tombstones are skipped.
  Verdict Render(const Batch& batch, const Record& record, Event* event, std::string* error);

 private:
  explicit Renderer(expr::Env env) : env_(std::move(env)) {}
  absl::Status RenderInto(Event* event);

  expr::Env env_;
  std::optional<expr::Program> when_;
  std::optional<expr::Program> group_by_;
  std::optional<expr::Template> subject_;
  std::optional<expr::Template> body_;
  bool with_events_ = false;
  base::Arena arena_;
  std::unique_ptr<expr::Activation> activation_;
  std::vector<json::Value> slots_;
};

}  // namespace levada::notify
