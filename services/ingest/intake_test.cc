#include "services/ingest/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <thread>

#include "services/ingest/fake_producer.h"

namespace levada::ingest {
namespace {

using Code = EventResult::Code;
using Kind = Outcome::Kind;
using testing::ElementsAre;
using testing::HasSubstr;

class IntakeTest : public testing::Test {
 protected:
  IntakeTest() {
    topic_.set_name("t");
    topic_.set_key("k");
    topic_.set_timestamp("at");
    validator_.emplace(&topic_, 1000);
    Make({.topic = "t"});
  }

  void Make(const Intake::Options& options) {
    intake_.emplace(*validator_, options, probe_, nullptr, nullptr);
    producer_.emplace(&*intake_);
    intake_->Open(&*producer_);
  }

  // Asserts that it is answered by the time Publish returns.
  Outcome Publish(std::vector<std::string_view> events, std::string_view key = "",
                  bool one_document = false) {
    std::optional<Outcome> outcome;
    intake_->Publish({.events = events, .one_document = one_document, .idempotency_key = key},
                     [&](Outcome answer) { outcome = std::move(answer); });
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(Outcome{});
  }

  v1::Topic topic_;
  std::optional<Validator> validator_;
  prometheus::Registry registry_;
  Probe probe_{registry_, {}};
  std::optional<Intake> intake_;
  std::optional<FakeProducer> producer_;
};

TEST_F(IntakeTest, BytesGoOnUnchangedWithTheirKey) {
  const Outcome outcome = Publish({R"({ "k": 7, "at": 1709292896, "x":"é" })", R"({"k":"a"})"});
  ASSERT_EQ(outcome.kind, Kind::kAnswered);
  EXPECT_EQ(outcome.results[1].code, Code::kAccepted);
  EXPECT_EQ(outcome.results[1].offset, 1);
  const auto sent = producer_->sent();
  EXPECT_EQ(sent[0].value, R"({ "k": 7, "at": 1709292896, "x":"é" })");
  EXPECT_EQ(sent[0].key, "7");
  EXPECT_EQ(sent[0].timestamp_ms, 0);  // when it is written, not the event's own time
  EXPECT_TRUE(sent[0].headers.empty());
}

TEST_F(IntakeTest, EachEventHasItsOwnResult) {
  const Outcome outcome = Publish({R"({"k":1})", "{", R"({"k":null})", R"({"k":2})"});
  ASSERT_EQ(outcome.results.size(), 4u);
  EXPECT_EQ(outcome.results[0].code, Code::kAccepted);
  EXPECT_EQ(outcome.results[1].code, Code::kInvalid);
  EXPECT_EQ(outcome.results[2].error, "the key field 'k' is null");
  EXPECT_EQ(outcome.results[3].offset, 1);
}

TEST_F(IntakeTest, AnArrayIsTakenWholeOrNotAtAll) {
  const Outcome broken = Publish({R"({"k":1})", R"({"k":"x"y"})"}, "", true);
  EXPECT_EQ(broken.kind, Kind::kMalformed);
  EXPECT_THAT(broken.error, HasSubstr("element 1"));
  EXPECT_TRUE(producer_->sent().empty());
  // Elements that are JSON but no events spoil nothing.
  const Outcome mixed = Publish({R"({"k":1})", "5", R"({"k":1,"k":2})"}, "", true);
  ASSERT_EQ(mixed.kind, Kind::kAnswered);
  EXPECT_EQ(Count(mixed.results).accepted, 1u);
}

TEST_F(IntakeTest, AnsweredOnlyByKafka) {
  producer_->answer_at_once = false;
  std::optional<Outcome> outcome;
  const std::vector<std::string_view> events = {R"({"k":1})", R"({"k":2})"};
  intake_->Publish({.events = events}, [&](Outcome answer) { outcome = std::move(answer); });
  EXPECT_FALSE(outcome.has_value());
  EXPECT_FALSE(intake_->WaitUntilIdle(std::chrono::milliseconds(1)));
  producer_->Answer();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(Count(outcome->results).accepted, 2u);
  EXPECT_TRUE(intake_->WaitUntilIdle(std::chrono::milliseconds(1)));
}

TEST_F(IntakeTest, WhatKafkaSaysDecides) {
  producer_->delivery_status = absl::UnavailableError("broker down");
  EXPECT_EQ(Publish({R"({"k":1})"}).results[0].code, Code::kUnavailable);
  EXPECT_TRUE(intake_->kafka_failed());
  producer_->delivery_status = absl::InvalidArgumentError("too large");
  EXPECT_EQ(Publish({R"({"k":1})"}).results[0].code, Code::kInvalid);
  producer_->delivery_status = absl::OkStatus();
  EXPECT_EQ(Publish({R"({"k":1})"}).results[0].code, Code::kAccepted);
  EXPECT_FALSE(intake_->kafka_failed());
  producer_->produce_status = absl::ResourceExhaustedError("queue full");
  EXPECT_EQ(Publish({R"({"k":1})"}).results[0].error, "queue full");
}

TEST_F(IntakeTest, IdempotencyKeys) {
  const Outcome first = Publish({R"({"k":1})", "{"}, "key");
  const Outcome again = Publish({R"({"k":1})", "{"}, "key");
  EXPECT_EQ(producer_->sent().size(), 1u);
  ASSERT_EQ(again.results.size(), 2u);
  EXPECT_EQ(again.results[0].offset, first.results[0].offset);
  EXPECT_EQ(again.results[1].error, first.results[1].error);
  EXPECT_EQ(Publish({R"({"k":2})"}, "key").kind, Kind::kConflict);
}

TEST_F(IntakeTest, ARetryWritesOnlyWhatKafkaDidNotTake) {
  producer_->answer_at_once = false;
  const std::vector<std::string_view> events = {R"({"k":1})", R"({"k":2})"};
  std::optional<Outcome> outcome;
  const auto keep = [&](Outcome answer) { outcome = std::move(answer); };
  intake_->Publish({.events = {events.data(), 2}, .idempotency_key = "key"}, keep);
  const auto sent = producer_->sent();
  intake_->OnDelivery(sent[0].opaque, absl::OkStatus(), 0, 70);
  intake_->OnDelivery(sent[1].opaque, absl::UnavailableError("timed out"), -1, -1);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(Count(outcome->results).unavailable, 1u);
  producer_->answer_at_once = true;
  const Outcome again = Publish(events, "key");
  EXPECT_EQ(Count(again.results).accepted, 2u);
  EXPECT_EQ(again.results[0].offset, 70);
  ASSERT_EQ(producer_->sent().size(), 3u);
  EXPECT_EQ(producer_->sent()[2].key, "2");
}

TEST_F(IntakeTest, DuplicatesUnderWayShareTheAnswer) {
  producer_->answer_at_once = false;
  const std::vector<std::string_view> events = {R"({"k":1})"};
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    intake_->Publish({.events = events, .idempotency_key = "key"}, [&](Outcome outcome) {
      answers += outcome.results.at(0).code == Code::kAccepted;
    });
  }
  EXPECT_EQ(producer_->sent().size(), 1u);
  EXPECT_EQ(answers, 0);
  producer_->Answer();
  EXPECT_EQ(answers, 3);
}

TEST_F(IntakeTest, BackPressure) {
  Make({.topic = "t", .max_in_flight_bytes = 500});
  producer_->answer_at_once = false;
  const std::vector<std::string_view> events = {R"({"k":1})", R"({"k":2})", R"({"k":3})"};
  std::vector<Kind> kinds;
  const auto keep = [&](Outcome outcome) { kinds.push_back(outcome.kind); };
  for (int i = 0; i < 3; ++i) intake_->Publish({.events = events}, keep);
  EXPECT_THAT(kinds, ElementsAre(Kind::kBusy));
  EXPECT_EQ(producer_->sent().size(), 6u) << "a refused batch leaves nothing behind";
  producer_->Answer();
  EXPECT_THAT(kinds, ElementsAre(Kind::kBusy, Kind::kAnswered, Kind::kAnswered));
  // Alone, even a batch that is larger than the bound passes.
  producer_->answer_at_once = true;
  EXPECT_EQ(Publish(std::vector<std::string_view>(100, R"({"k":1})")).kind, Kind::kAnswered);
}

TEST_F(IntakeTest, RateLimit) {
  Make({.topic = "t", .max_rate = 2});
  EXPECT_EQ(Publish({R"({"k":1})", R"({"k":2})", R"({"k":3})"}).kind, Kind::kAnswered);
  const Outcome refused = Publish({R"({"k":1})"}, "key");
  EXPECT_EQ(refused.kind, Kind::kBusy);
  EXPECT_GE(refused.retry_after.count(), 1);
  // It is not remembered: the same request may come again.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(Publish({R"({"k":1})"}, "key").kind, Kind::kAnswered);
}

TEST_F(IntakeTest, DrainingRefusesAndWaits) {
  producer_->answer_at_once = false;
  const std::vector<std::string_view> events = {R"({"k":1})"};
  bool answered = false;
  intake_->Publish({.events = events}, [&](Outcome) { answered = true; });
  intake_->BeginDrain();
  EXPECT_EQ(Publish({R"({"k":1})"}).kind, Kind::kUnavailable);
  std::thread kafka([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    producer_->Answer();
  });
  EXPECT_TRUE(intake_->WaitUntilIdle(std::chrono::seconds(10)));
  EXPECT_TRUE(answered);
  kafka.join();
}

TEST_F(IntakeTest, ManyThreadsManyBatches) {
  producer_->answer_at_once = false;
  std::atomic<size_t> accepted{0};
  std::atomic<bool> done{false};
  std::thread kafka([&] {
    while (!done) producer_->Answer();
    producer_->Answer();
  });
  std::vector<std::thread> clients;
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([&] {
      const std::vector<std::string_view> events(10, R"({"k":1})");
      for (int i = 0; i < 500; ++i) {
        intake_->Publish({.events = events},
                         [&](Outcome outcome) { accepted += Count(outcome.results).accepted; });
      }
    });
  }
  for (std::thread& client : clients) client.join();
  done = true;
  kafka.join();
  EXPECT_TRUE(intake_->WaitUntilIdle(std::chrono::seconds(10)));
  EXPECT_EQ(accepted, 20'000u);
}

}  // namespace
}  // namespace levada::ingest
