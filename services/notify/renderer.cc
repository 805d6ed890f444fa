#include "services/notify/renderer.h"

#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/schema.h"

namespace levada::notify {
namespace {

absl::Status Explain(std::string_view what, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(base::StrCat(what, ": ", base::View(status.message())));
}

absl::Status CheckSize(std::string_view what, size_t size, size_t limit) {
  if (size <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(base::StrCat(
      what, " is ", base::FormatBytes(static_cast<int64_t>(size)),
      " large; a notification takes at most ", base::FormatBytes(static_cast<int64_t>(limit))));
}

absl::Status CompileProgram(std::string_view what, const std::string& source, expr::Type type,
                            expr::Env* env, std::optional<expr::Program>* out) {
  if (source.empty()) return absl::OkStatus();
  absl::StatusOr<expr::Program> program = expr::Compile(source, env, type);
  if (!program.ok()) return Explain(what, program.status());
  *out = *std::move(program);
  return absl::OkStatus();
}

absl::Status CompileTemplate(std::string_view what, const std::string& source, expr::Env* env,
                             std::optional<expr::Template>* out) {
  absl::StatusOr<expr::Template> compiled = expr::Template::Compile(source, env);
  if (!compiled.ok()) return Explain(what, compiled.status());
  *out = *std::move(compiled);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Renderer>> Renderer::Create(const v1::Notify& notify,
                                                           const v1::Topic* topic) {
  std::unique_ptr<Renderer> made(new Renderer(pipeline::EnvOf(topic)));
  expr::Env* env = &made->env_;
  const bool email = notify.has_email();
  made->with_events_ = !email;
  for (const absl::Status& status :
       {CompileProgram("when", notify.when(), {expr::Kind::kBool}, env, &made->when_),
        CompileProgram("group.by", notify.group().by(), expr::Type::Dyn(), env, &made->group_by_),
        CompileTemplate("subject", email ? notify.email().subject() : notify.webhook().subject(),
                        env, &made->subject_),
        CompileTemplate("body", email ? notify.email().body() : notify.webhook().body(), env,
                        &made->body_)}) {
    if (!status.ok()) return status;
  }
  made->activation_ = std::make_unique<expr::Activation>(*env, &made->arena_);
  made->slots_.resize(env->fields().size());
  return made;
}

Renderer::Verdict Renderer::Render(const Batch& batch, const Record& record, Event* event,
                                   std::string* error) {
  if (!record.has_value) return Verdict::kSkip;
  json::ScanInfo info;
  const json::ScanError scanned = json::Scan(record.value, env_.fields(), slots_, &info);
  if (!scanned.ok()) {
    *error = scanned.Message(env_.fields());
    return Verdict::kDead;
  }
  arena_.Reset();
  activation_->Begin(record.value, slots_, {&batch, &record});
  absl::Status status;
  if (when_) {
    const absl::StatusOr<bool> wanted = when_->Test(*activation_);
    if (wanted.ok() && !*wanted) return Verdict::kSkip;
    status = Explain("when", wanted.status());
  }
  if (status.ok() && with_events_) {
    status = CheckSize("the event", record.value.size(), Limits::kEventsBytes);
  }
  if (status.ok()) {
    *event = CopyEvent(batch, record);
    status = RenderInto(event);
  }
  if (status.ok()) return Verdict::kSend;
  *error = std::string(status.message());
  return Verdict::kDead;
}

absl::Status Renderer::RenderInto(Event* event) {
  absl::Status status = Explain("subject", subject_->Render(*activation_, &event->subject));
  if (status.ok()) status = Explain("body", body_->Render(*activation_, &event->body));
  if (status.ok() && group_by_) {
    status = Explain("group.by", group_by_->AppendJson(*activation_, &event->group));
  }
  if (status.ok()) status = CheckSize("subject", event->subject.size(), Limits::kSubjectBytes);
  if (status.ok()) status = CheckSize("body", event->body.size(), Limits::kBodyBytes);
  return status;
}

}  // namespace levada::notify
