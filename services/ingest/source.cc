#include "services/ingest/source.h"

#include <optional>
#include <utility>

#include "core/base/strings.h"
#include "core/base/units.h"
#include "services/ingest/file_source.h"
#include "services/ingest/intake.h"
#include "services/ingest/schedule_source.h"
#include "services/ingest/serve_source.h"
#include "services/ingest/split.h"
#include "services/ingest/validator.h"

namespace levada::ingest {
namespace {

class IngestSource final : public runtime::Source {
 public:
  IngestSource(const runtime::StageContext& context, size_t max_event_bytes)
      : context_(context),
        validator_(context.FindTopic(context.stage.ingest().to()), max_event_bytes),
        probe_(context.registry, context.Labels()),
        intake_(
            validator_,
            {.topic = context.stage.ingest().to(), .max_rate = context.stage.ingest().max_rate()},
            probe_, &context.metrics, &context.control) {}

  absl::Status Prepare() {
    const v1::Ingest& ingest = context_.stage.ingest();
    if (ingest.has_file()) {
      file_.emplace(context_, validator_, probe_);
    } else if (ingest.has_schedule()) {
      schedule_.emplace(context_, intake_);
    } else if (!context_.pipe) {  // certificates are of no use to `levada pipe`
      auto serve = ServeSource::Create(context_, intake_, probe_);
      if (!serve.ok()) return serve.status();
      serve_ = *std::move(serve);
    }
    return absl::OkStatus();
  }

  absl::Status Run(kafka::Producer* producer, const std::function<void()>& ready) override {
    if (file_) return file_->Run(ready);
    intake_.Open(producer);
    return schedule_ ? schedule_->Run(ready) : serve_->Run(ready);
  }

  kafka::DeliveryListener* listener() override { return &intake_; }

  void Stop() override {
    if (file_) file_->Stop();
    if (schedule_) schedule_->Stop();
    if (serve_) serve_->Stop();
  }

  absl::Status Pipe(const Batch& batch, std::string* ndjson,
                    std::vector<DeadLetter>* dead_letters) override {
    Validator::Scratch scratch(validator_);
    Event event;
    Fault fault;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (validator_.Check(Trim(batch[i].value), &scratch, &event, &fault)) {
        base::StrAppend(ndjson, event.bytes, "\n");
      } else {
        dead_letters->push_back({static_cast<int32_t>(i), std::move(fault.text)});
      }
    }
    return absl::OkStatus();
  }

 private:
  const runtime::StageContext& context_;
  const Validator validator_;
  Probe probe_;
  Intake intake_;
  std::optional<FileSource> file_;
  std::optional<ScheduleSource> schedule_;
  std::unique_ptr<ServeSource> serve_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::Source>> MakeSource(const runtime::StageContext& context) {
  const auto largest = base::ParseBytes(context.stage.ingest().max_event_size());
  if (!largest.ok()) return largest.status();
  auto source = std::make_unique<IngestSource>(context, static_cast<size_t>(*largest));
  if (absl::Status status = source->Prepare(); !status.ok()) return status;
  return source;
}

}  // namespace levada::ingest
