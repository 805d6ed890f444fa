#include "services/scoring/detector.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/http/client.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, key: card, timestamp: at}
  - {name: out, key: card, timestamp: at}
  - {name: table, compacted: true, key: card}
  stages:
  - name: score
    scoring:
      from: in
      steps:
      - filter: amount > 0
      - set:
        - {name: km, value: amount / 7.0}
        - {name: about, value: '[meta.key, meta.topic]'}
        - {name: recent, value: 'meta.timestamp > timestamp("2020-01-01T00:00:00Z")'}
      - model: {xgboost: models/fraud/fraud.json, inputs: [amount, km, amount, km, km]}
      - rules:
          rules:
          - {name: high, when: amount > 220, outcome: block}
          - {name: rest, when: "true", outcome: approve}
      outputs:
      - {to: out}
      - {to: table, when: outcome == "block"}
      serve: {}
)";

class DetectorTest : public testing::Test {
 protected:
  DetectorTest() : stage_(kManifest) {
    stage_.stage().mutable_scoring()->mutable_serve()->set_port(0);
    stage_.stage().mutable_scoring()->mutable_serve()->set_grpc_port(0);
    auto chain = stage_.MakeChain();
    if (chain == nullptr) return;
    detector_.emplace(std::move(chain), stage_.context().FindTopic("in"));
    auto server = DetectorServer::Start(stage_.context(), {}, &*detector_);
    EXPECT_TRUE(server.ok()) << server.status();
    if (!server.ok()) return;
    server_ = *std::move(server);
    stub_ = v1::Detector::NewStub(grpc::CreateChannel(
        base::StrCat("127.0.0.1:", server_->grpc_port()), grpc::InsecureChannelCredentials()));
  }

  // What the stream makes of a record with this value, and the key and time that ingest gives it.
  std::string Streamed(const std::string& event, std::string_view key, int64_t time_ms) {
    const auto chain = stage_.MakeChain();
    Record record;
    record.value = event;
    record.key = key;
    record.has_key = true;
    record.timestamp_ms = time_ms;
    OutputBatch out;
    EXPECT_TRUE(chain->Process(Batch("in", {record}, nullptr), &out).ok());
    return out.records().empty() ? "" : std::string(out.Value(out.records()[0]));
  }

  http::Response Post(const std::string& event) {
    auto client =
        http::Client::Create({.base_url = base::StrCat("http://127.0.0.1:", server_->http_port())});
    EXPECT_TRUE(client.ok()) << client.status();
    auto response = (*client)->Send({.method = "POST", .path = "/v1/detect", .body = event});
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : http::Response();
  }

  grpc::Status Call(const std::string& event, v1::DetectResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::DetectRequest request;
    request.set_event(event);
    return stub_->Detect(&context, request, response);
  }

  TestStage stage_;
  std::optional<Detector> detector_;
  std::unique_ptr<DetectorServer> server_;
  std::unique_ptr<v1::Detector::Stub> stub_;
};

constexpr char kEvent[] =
    R"({"card":"C\u0031","at":"2026-11-02T08:00:00Z","amount":300,"id":9007199254740993})";
constexpr int64_t kEventMs = 1'793'606'400'000;

TEST_F(DetectorTest, AnswersAsTheStreamDoes) {
  const std::string streamed = Streamed(kEvent, "C1", kEventMs);
  EXPECT_THAT(streamed, HasSubstr(R"("about":["C1","in"],"recent":true)"));
  EXPECT_THAT(streamed, HasSubstr(R"("outcome":"block")"));

  v1::DetectResponse grpc;
  ASSERT_TRUE(Call(kEvent, &grpc).ok());
  EXPECT_TRUE(grpc.kept());
  EXPECT_EQ(grpc.event(), streamed);
  ASSERT_EQ(grpc.topics_size(), 2);
  EXPECT_EQ(grpc.topics(0), "out");
  EXPECT_EQ(grpc.topics(1), "table");
  EXPECT_GT(grpc.micros(), 0);

  const http::Response rest = Post(kEvent);
  EXPECT_EQ(rest.status, 200);
  EXPECT_THAT(rest.body, HasSubstr("\"event\":" + streamed + "}"));  // byte by byte
  const json body = json::parse(rest.body);
  EXPECT_EQ(body.at("kept"), true);
  EXPECT_EQ(body.at("topics"), json({"out", "table"}));
  EXPECT_GT(body.at("micros").get<int64_t>(), 0);
}

TEST_F(DetectorTest, WhatAFilterDropsIsAnAnswer) {
  v1::DetectResponse grpc;
  ASSERT_TRUE(Call(R"({"amount":0,"card":"C1"})", &grpc).ok());
  EXPECT_FALSE(grpc.kept());
  EXPECT_EQ(grpc.event(), "");
  EXPECT_EQ(grpc.topics_size(), 0);
  const http::Response rest = Post(R"({"amount":0,"card":"C1"})");
  EXPECT_EQ(rest.status, 200);
  const json body = json::parse(rest.body);
  EXPECT_EQ(body.at("kept"), false);
  EXPECT_FALSE(body.contains("event"));
}

TEST_F(DetectorTest, WhatWouldBeADeadLetterIsTheCallersFault) {
  struct {
    const char* event;
    const char* reason;
  } const kBad[] = {
      {"", "empty"},
      {"{", "ends"},
      {R"({"amount":"much"})", "step 1 (filter)"},
      {R"({"card":"C1"})", "step 1 (filter)"},
      {R"({"amount":300})", "the topic is compacted and the event has no key"},
  };
  for (const auto& [event, reason] : kBad) {
    v1::DetectResponse response;
    const grpc::Status status = Call(event, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << event;
    EXPECT_THAT(status.error_message(), HasSubstr(reason)) << event;
    const http::Response rest = Post(event);
    EXPECT_EQ(rest.status, 400) << event;
    EXPECT_THAT(json::parse(rest.body).at("error").get<std::string>(), HasSubstr(reason)) << event;
  }
}

TEST_F(DetectorTest, EventsThatAreTooLargeAreRefused) {
  const std::string large = R"({"amount":1,"blob":")" + std::string(2 << 20, 'x') + "\"}";
  EXPECT_EQ(Post(large).status, 413);
  v1::DetectResponse response;
  EXPECT_EQ(Call(large, &response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(DetectorTest, CallsAtTheSameTimeGetTheirOwnAnswers) {
  constexpr int kThreads = 8;
  constexpr int kCalls = 50;
  std::vector<std::string> expected;
  const auto event = [](int i) {
    return base::StrCat(R"({"card":"C)", i, R"(","at":"2026-11-02T08:00:00Z","amount":)", i + 1,
                        "}");
  };
  for (int i = 0; i < kThreads; ++i) {
    expected.push_back(Streamed(event(i), base::StrCat("C", i), kEventMs));
  }
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < kCalls; ++call) {
        if (call % 10 == 9) {
          if (Post(event(i)).body.find(expected[i]) != std::string::npos) ++right;
          continue;
        }
        v1::DetectResponse response;
        if (Call(event(i), &response).ok() && response.event() == expected[i]) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kCalls);
}

// The detector looks at what the stream knows, as if the event had come, and changes nothing.
TEST(StatefulDetectorTest, LooksAtTheStateOfTheStream) {
  TestStage stage(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 2, key: card, timestamp: at}
  - {name: out}
  stages:
  - name: score
    scoring:
      from: in
      steps:
      - dedup: {by: [card, id], within: 1h}
      to: out
      serve: {}
)");
  const std::unique_ptr<Chain> stream = stage.MakeChain();
  ASSERT_NE(stream, nullptr);
  auto own = Chain::Make(stage.context(), stream.get());
  ASSERT_TRUE(own.ok()) << own.status();
  Detector detector(*std::move(own), stage.context().FindTopic("in"));
  const auto detect = [&](std::string_view card) {
    absl::StatusOr<Answer> said;
    detector.Detect(
        base::StrCat(R"({"card":")", card, R"(","id":"1","at":"2026-11-02T08:00:00Z"})"), false,
        [&](absl::StatusOr<Answer> answer) { said = std::move(answer); });
    return said;
  };
  EXPECT_TRUE(absl::IsUnavailable(detect("abc").status())) << "it does not know the partitions";
  // Kafka's Java client puts the key "abc" into partition 1 of 2, and "21" into 0.
  stream->state()->Assign(1, 2);
  EXPECT_TRUE(absl::IsUnavailable(detect("abc").status())) << "what is known of it is being read";
  stream->state()->Restored(1);
  EXPECT_TRUE(detect("abc")->kept);
  EXPECT_TRUE(detect("abc")->kept) << "it has changed the state";
  EXPECT_TRUE(absl::IsUnavailable(detect("21").status())) << detect("21").status();

  std::vector<Record> records(1);
  records[0].value = R"({"card":"abc","id":"1","at":"2026-11-02T08:00:00Z"})";
  records[0].partition = 1;
  OutputBatch out;
  ASSERT_TRUE(stream->Process(Batch("in", records, nullptr), &out).ok());
  ASSERT_EQ(out.records().size(), 1u);
  EXPECT_FALSE(detect("abc")->kept) << "the stream has had it";
}

}  // namespace
}  // namespace levada::scoring
