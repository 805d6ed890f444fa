#include "services/notify/notifier.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "core/base/secrets.h"
#include "core/kafka/client.h"
#include "core/pipeline/plan.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "services/notify/renderer.h"

// A notify stage from its manifest: what `levada pipe` shows, and what is refused at the start.
namespace levada::notify {
namespace {

using ::testing::HasSubstr;

class NotifierTest : public ::testing::Test {
 protected:
  // `notify`: the stage's section, as protobuf text.
  absl::StatusOr<std::unique_ptr<runtime::Sink>> Make(const std::string& notify, bool pipe = true) {
    pipeline_.Clear();
    pipeline_.mutable_metadata()->set_name("fraud");
    auto& connections = *pipeline_.mutable_spec()->mutable_connections();
    connections["mail"].mutable_smtp()->set_host("127.0.0.1");
    connections["mail"].mutable_smtp()->set_from("alerts@example.com");
    *connections["mail"].mutable_smtp()->mutable_tls() = mail_tls_;
    connections["mail"].mutable_smtp()->set_secret_ref(mail_secret_);
    connections["hook"].mutable_webhook()->set_url("http://127.0.0.1:1/");
    pipeline_.mutable_spec()->add_topics()->set_name("events");
    v1::Stage* stage = pipeline_.mutable_spec()->add_stages();
    stage->set_name("alert");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("from: \"events\" " + notify,
                                                              stage->mutable_notify()));
    pipeline::ApplyDefaults(&pipeline_);
    registry_ = std::make_unique<prometheus::Registry>();
    metrics_ =
        std::make_unique<runtime::StageMetrics>(*registry_, std::map<std::string, std::string>());
    context_.reset(new runtime::StageContext{.pipeline = pipeline_,
                                             .stage = pipeline_.spec().stages(0),
                                             .secrets = secrets_,
                                             .kafka = kafka_,
                                             .metrics = *metrics_,
                                             .registry = *registry_,
                                             .control = control_,
                                             .pipe = pipe});
    return MakeNotifier(*context_);
  }

  // What the stage would send for these events; dead letters behind it, as "! <index> <error>".
  std::string Pipe(const std::string& notify, std::vector<std::string> events) {
    auto sink = Make(notify);
    if (!sink.ok()) return std::string(sink.status().message());
    std::string out;
    std::vector<DeadLetter> dead;
    const Batch batch = Batch::FromValues("events", std::move(events));
    EXPECT_TRUE((*sink)->Pipe(batch, &out, &dead).ok());
    for (const DeadLetter& letter : dead) {
      out += "! " + std::to_string(letter.source) + " " + letter.error + "\n";
    }
    return out;
  }

  static std::string Email(const std::string& subject, const std::string& body) {
    return "email { via: \"mail\" to: \"a@b.example\" subject: \"" + subject + "\" body: \"" +
           body + "\" } ";
  }

  v1::Tls mail_tls_;
  std::string mail_secret_;

 private:
  v1::Pipeline pipeline_;
  base::Secrets secrets_;
  kafka::ClientConfig kafka_;
  runtime::Control control_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<runtime::StageMetrics> metrics_;
  std::unique_ptr<runtime::StageContext> context_;
};

TEST_F(NotifierTest, RendersSubjectAndBodyOfTheEventsThatTheConditionWants) {
  EXPECT_EQ(Pipe("when: \"outcome == 'block'\" " + Email("Blocked ${event_id}", "${amount} paid"),
                 {R"({"event_id":"e1","outcome":"block","amount":99.5})",
                  R"({"event_id":"e2","outcome":"approve","amount":1})"}),
            R"({"id":"alert.0.0.0@fraud.default.levada","to":["a@b.example"],)"
            R"("subject":"Blocked e1","body":"99.5 paid"})"
            "\n");
}

TEST_F(NotifierTest, GroupsByAnExpression) {
  EXPECT_EQ(Pipe(Email("Country ${c}", "event ${n}") + "group { by: \"c\" max: 2 }",
                 {R"({"c":"DE","n":1})", R"({"c":"US","n":2})", R"({"c":"DE","n":3})",
                  R"({"c":"DE","n":4})"}),
            R"({"id":"alert.0.0.0@fraud.default.levada","to":["a@b.example"],)"
            R"x("subject":"Country DE (+1)","body":"event 1\nevent 3"})x"
            "\n"
            R"({"id":"alert.0.0.3@fraud.default.levada","to":["a@b.example"],)"
            R"("subject":"Country DE","body":"event 4"})"
            "\n"
            R"({"id":"alert.0.0.1@fraud.default.levada","to":["a@b.example"],)"
            R"("subject":"Country US","body":"event 2"})"
            "\n");
}

TEST_F(NotifierTest, WebhooksCarryTheEvents) {
  EXPECT_EQ(Pipe("webhook { via: \"hook\" subject: \"s\" }", {R"({"n":1.50})"}),
            R"({"id":"alert.0.0.0@fraud.default.levada","subject":"s","body":"",)"
            R"("events":[{"n":1.50}]})"
            "\n");
}

TEST_F(NotifierTest, WhatCannotBeRenderedIsADeadLetter) {
  const std::string notify = "when: \"n > 0\" " + Email("${name}", "x");
  EXPECT_THAT(Pipe(notify, {"{\"n\":"}), HasSubstr("! 0 "));
  EXPECT_THAT(Pipe(notify, {"{}"}), HasSubstr("! 0 when: "));
  EXPECT_THAT(Pipe(notify, {R"({"n":"x"})"}), HasSubstr("! 0 when: "));
  EXPECT_THAT(Pipe(notify, {R"({"n":1})"}), HasSubstr("! 0 subject: "));
  EXPECT_THAT(Pipe(notify, {std::string(10'000, '[')}), HasSubstr("! 0 "));
  EXPECT_THAT(Pipe(notify, {"{\"n\":1,\"name\":\"\xFF\"}"}), HasSubstr("! 0 "));
  EXPECT_THAT(Pipe(notify, {R"({"n":1,"name":")" + std::string(1 << 20, 'x') + "\"}"}),
              HasSubstr("! 0 subject is 1 MiB large; a notification takes at most 16 KiB"));
  EXPECT_THAT(Pipe("webhook { via: \"hook\" subject: \"s\" }",
                   {R"({"name":")" + std::string(1 << 20, 'x') + "\"}"}),
              HasSubstr("! 0 the event is "));
}

TEST_F(NotifierTest, RefusesAPasswordWithoutTls) {
  mail_tls_.set_enabled(false);
  mail_secret_ = "mail-login";
  const auto sink = Make(Email("s", "b"), false);
  EXPECT_TRUE(absl::IsInvalidArgument(sink.status())) << sink.status();
  EXPECT_THAT(std::string(sink.status().message()),
              HasSubstr("a password is not sent without TLS"));
  mail_secret_.clear();
  EXPECT_TRUE(Make(Email("s", "b"), false).ok());
}

TEST_F(NotifierTest, RefusesExpressionsThatDoNotCompile) {
  EXPECT_TRUE(absl::IsInvalidArgument(Make("when: \"1 +\" " + Email("s", "b")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Make(Email("${", "b")).status()));
}

TEST(RendererTest, KeepsKeyHeadersAndBytesForADeadLetter) {
  v1::Notify notify;
  notify.mutable_email()->set_subject("s");
  notify.mutable_email()->set_body("b");
  auto renderer = Renderer::Create(notify, nullptr);
  ASSERT_TRUE(renderer.ok()) << renderer.status();
  const Batch batch = Batch::FromValues("events", {R"({ "n": 1 })"}, 17, 1234);
  Record record = batch[0];
  record.key = "k";
  record.has_key = true;
  Event event;
  std::string error;
  ASSERT_EQ((*renderer)->Render(batch, record, &event, &error), Renderer::Verdict::kSend);
  EXPECT_EQ(event.record().value, R"({ "n": 1 })");
  EXPECT_EQ(event.record().key, "k");
  EXPECT_EQ(event.record().offset, 17);
  EXPECT_EQ(event.record().timestamp_ms, 1234);
  record.has_value = false;
  EXPECT_EQ((*renderer)->Render(batch, record, &event, &error), Renderer::Verdict::kSkip);
}

}  // namespace
}  // namespace levada::notify
