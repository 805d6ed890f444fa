#include "services/notify/notifier.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/json/write.h"
#include "core/pipeline/plan.h"
#include "core/runtime/metrics.h"
#include "services/notify/kafka_sent_log.h"
#include "services/notify/outbox.h"
#include "services/notify/renderer.h"
#include "services/notify/smtp.h"
#include "services/notify/webhook.h"

namespace levada::notify {
namespace {

class Notifier : public runtime::Sink {
 public:
  Notifier(const runtime::StageContext& context, std::unique_ptr<Renderer> renderer,
           Outbox::Options options)
      : context_(context),
        renderer_(std::move(renderer)),
        options_(std::move(options)),
        probe_(context.registry, context.Labels()) {}

  void Connect(std::unique_ptr<Sender> sender, std::unique_ptr<SentLog> log) {
    sender_ = std::move(sender);
    log_ = std::move(log);
    outbox_ = std::make_unique<Outbox>(options_, sender_.get(), log_.get(), &probe_);
  }

  absl::Status Assign(std::vector<runtime::Assignment>* partitions) override {
    return outbox_->Assign(*partitions);
  }

  absl::Status Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) override {
    filtered_ = {};
    for (size_t i = 0; i < batch.size(); ++i) {
      const Record& record = batch[i];
      std::string error;
      if (outbox_->Remembers(record.partition, record.offset)) {
        if (!outbox_->Recall(CopyEvent(batch, record), &error)) {
          dead_letters->push_back({static_cast<int32_t>(i), std::move(error)});
        }
        continue;
      }
      Event event;
      const Renderer::Verdict verdict = renderer_->Render(batch, record, &event, &error);
      if (verdict == Renderer::Verdict::kSend) {
        outbox_->Take(std::move(event));
        continue;
      }
      outbox_->Pass(record.partition, record.offset);
      if (verdict == Renderer::Verdict::kSkip) {
        ++filtered_.records;
        filtered_.bytes += record.key.size() + record.value.size();
      } else {
        dead_letters->push_back({static_cast<int32_t>(i), std::move(error)});
      }
    }
    return absl::OkStatus();
  }

  Filtered filtered() const override { return filtered_; }
  bool Full() const override { return false; }  // FlushAt says it all
  std::chrono::steady_clock::time_point FlushAt() const override { return outbox_->FlushAt(); }

  absl::Status Flush(std::vector<Rejected>* rejected) override {
    refused_.clear();
    absl::Status status = outbox_->Flush(&refused_);
    for (const Outbox::Refused& refused : refused_) {
      rejected->push_back({refused.event.record(), refused.error, refused.event.record_headers()});
    }
    return status;
  }

  void Drain() override { outbox_->CloseGroups(); }
  void Discard() override { outbox_->Discard(); }
  void Release(const std::vector<int32_t>& partitions) override { outbox_->Release(partitions); }
  bool TakesMore() const override { return outbox_->TakesMore(); }
  std::optional<runtime::Offsets> Committable() const override { return outbox_->Committable(); }

  // The notifications of one batch, groups without their waiting.
  absl::Status Pipe(const Batch& batch, std::string* ndjson,
                    std::vector<DeadLetter>* dead_letters) override {
    std::map<std::string, std::vector<Event>> groups;
    for (size_t i = 0; i < batch.size(); ++i) {
      Event event;
      std::string error;
      switch (renderer_->Render(batch, batch[i], &event, &error)) {
        case Renderer::Verdict::kSkip:
          break;
        case Renderer::Verdict::kDead:
          dead_letters->push_back({static_cast<int32_t>(i), std::move(error)});
          break;
        case Renderer::Verdict::kSend: {
          std::vector<Event>& group = groups[event.group];
          group.push_back(std::move(event));
          if (group.size() < (options_.group ? options_.group->max : 1)) break;
          Print(group, ndjson);
          group.clear();
        }
      }
    }
    for (const auto& [key, events] : groups) {
      if (!events.empty()) Print(events, ndjson);
    }
    return absl::OkStatus();
  }

 private:
  void Print(const std::vector<Event>& events, std::string* ndjson) const {
    const v1::Notify& notify = context_.stage.notify();
    const Notification out =
        Compose(options_.origin, events, {}, notify.has_webhook()).notification;
    ndjson->append("{\"id\":");
    json::AppendString(out.id, ndjson);
    if (notify.has_email()) {
      ndjson->append(",\"to\":[");
      for (int i = 0; i < notify.email().to_size(); ++i) {
        if (i > 0) ndjson->push_back(',');
        json::AppendString(notify.email().to(i), ndjson);
      }
      ndjson->push_back(']');
    }
    ndjson->append(",\"subject\":");
    json::AppendString(out.subject, ndjson);
    ndjson->append(",\"body\":");
    json::AppendString(out.body, ndjson);
    if (notify.has_webhook()) base::StrAppend(ndjson, ",\"events\":[", out.events, "]");
    ndjson->append("}\n");
  }

  const runtime::StageContext& context_;
  std::unique_ptr<Renderer> renderer_;
  const Outbox::Options options_;
  Probe probe_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<SentLog> log_;
  std::unique_ptr<Outbox> outbox_;
  Filtered filtered_;
  std::vector<Outbox::Refused> refused_;  // what Flush gave out is viewed until the next one
};

std::string CaFile(const runtime::StageContext& context, const v1::Tls& tls) {
  return tls.ca_file().empty() ? "" : context.FilePath(tls.ca_file());
}

absl::StatusOr<std::unique_ptr<Sender>> MakeMailSender(const runtime::StageContext& context,
                                                       const v1::Email& email) {
  const v1::Connection* connection = context.FindConnection(email.via());
  if (connection == nullptr || !connection->has_smtp()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no SMTP connection '", email.via(), "'"));
  }
  const v1::SmtpConnection& smtp = connection->smtp();
  SmtpOptions options;
  options.host = smtp.host();
  options.port = static_cast<int>(smtp.port());
  options.tls = !smtp.tls().has_enabled() || smtp.tls().enabled();
  options.ca_file = CaFile(context, smtp.tls());
  options.from = smtp.from();
  options.to.assign(email.to().begin(), email.to().end());
  if (!smtp.secret_ref().empty()) {
    options.login = [&secrets = context.secrets,
                     name = smtp.secret_ref()]() -> absl::StatusOr<SmtpOptions::Login> {
      absl::StatusOr<std::string> user = secrets.Get(name, "username");
      if (!user.ok()) return user.status();
      absl::StatusOr<std::string> password = secrets.Get(name, "password");
      if (!password.ok()) return password.status();
      return SmtpOptions::Login{*std::move(user), *std::move(password)};
    };
  }
  return MakeSmtpSender(std::move(options));
}

absl::StatusOr<std::unique_ptr<Sender>> MakeWebSender(const runtime::StageContext& context,
                                                      const v1::Webhook& webhook) {
  const v1::Connection* connection = context.FindConnection(webhook.via());
  if (connection == nullptr || !connection->has_webhook()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no webhook connection '", webhook.via(), "'"));
  }
  const v1::WebhookConnection& target = connection->webhook();
  WebhookOptions options;
  options.url = target.url();
  options.ca_file = CaFile(context, target.tls());
  options.pipeline = context.pipeline.metadata().name();
  options.stage = context.stage.name();
  if (!target.secret_ref().empty()) {
    options.secret = [&secrets = context.secrets, name = target.secret_ref()] {
      return secrets.Get(name, "secret");
    };
  }
  return MakeWebhookSender(std::move(options));
}

absl::StatusOr<Outbox::Options> OutboxOptions(const runtime::StageContext& context) {
  const v1::Notify& notify = context.stage.notify();
  Outbox::Options options;
  options.origin = {.ns = context.pipeline.metadata().namespace_(),
                    .pipeline = context.pipeline.metadata().name(),
                    .stage = context.stage.name()};
  if (notify.has_group()) {
    const auto wait = base::ParseDuration(notify.group().wait());
    if (!wait.ok()) return wait.status();
    options.group = Outbox::Grouping{.wait = *wait, .max = notify.group().max()};
  }
  if (notify.has_throttle()) {
    const auto per = base::ParseDuration(notify.throttle().per());
    if (!per.ok()) return per.status();
    options.throttle = Throttle(notify.throttle().limit(), *per);
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeNotifier(const runtime::StageContext& context) {
  const v1::Notify& notify = context.stage.notify();
  auto renderer = Renderer::Create(notify, context.FindTopic(notify.from()));
  if (!renderer.ok()) return renderer.status();
  auto options = OutboxOptions(context);
  if (!options.ok()) return options.status();
  auto notifier = std::make_unique<Notifier>(context, *std::move(renderer), *std::move(options));
  if (context.pipe) return notifier;

  auto sender = notify.has_email() ? MakeMailSender(context, notify.email())
                                   : MakeWebSender(context, notify.webhook());
  if (!sender.ok()) return sender.status();
  auto log =
      MakeKafkaSentLog({.client = context.kafka,
                        .topic = pipeline::SentTopic(context.pipeline, context.stage.name()),
                        .group = pipeline::ConsumerGroup(context.pipeline, context.stage.name()),
                        .input = notify.from()});
  if (!log.ok()) return log.status();
  notifier->Connect(*std::move(sender), *std::move(log));
  return notifier;
}

}  // namespace levada::notify
