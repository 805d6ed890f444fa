#include "services/ingest/grpc_endpoint.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <thread>

#include "core/base/strings.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/ingest/fake_producer.h"
#include "services/ingest/grpc_stream.h"

namespace levada::ingest {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

class GrpcEndpointTest : public testing::Test {
 protected:
  GrpcEndpointTest() {
    topic_.set_key("k");
    validator_.emplace(&topic_, 1000);
    Start({});
  }

  void Start(const Intake::Options& options) {
    endpoint_.reset();
    intake_.emplace(*validator_, options, probe_, nullptr, nullptr);
    producer_.emplace(&*intake_);
    intake_->Open(&*producer_);
    auto endpoint = GrpcEndpoint::Start(
        {.address = "127.0.0.1", .max_request_bytes = 1 << 20, .max_batch = 100}, *intake_, probe_);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    stub_ = v1::IngestService::NewStub(grpc::CreateChannel(
        base::StrCat("127.0.0.1:", endpoint_->port()), grpc::InsecureChannelCredentials()));
  }

  static v1::PublishRequest Request(std::initializer_list<const char*> events,
                                    const char* key = "") {
    v1::PublishRequest request;
    for (const char* event : events) request.add_events(event);
    request.set_idempotency_key(key);
    return request;
  }

  grpc::Status Publish(const v1::PublishRequest& request, v1::PublishResponse* response,
                       milliseconds deadline = seconds(10)) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + deadline);
    return stub_->Publish(context_.get(), request, response);
  }

  v1::Topic topic_;
  std::optional<Validator> validator_;
  prometheus::Registry registry_;
  Probe probe_{registry_, {}};
  std::optional<Intake> intake_;
  std::optional<FakeProducer> producer_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::unique_ptr<v1::IngestService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
};

TEST_F(GrpcEndpointTest, ResultsAreOneAnEvent) {
  v1::PublishResponse response;
  ASSERT_TRUE(Publish(Request({R"({"k":1})", "{", R"({"k":2})"}), &response).ok());
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_EQ(response.results(0).code(), v1::EventResult::ACCEPTED);
  EXPECT_EQ(response.results(1).code(), v1::EventResult::INVALID);
  EXPECT_FALSE(response.results(1).error().empty());
  EXPECT_EQ(response.results(2).offset(), 1);
  EXPECT_EQ(producer_->sent()[1].value, R"({"k":2})");
}

TEST_F(GrpcEndpointTest, RequestsThatAreRefusedAsAWhole) {
  v1::PublishResponse response;
  EXPECT_EQ(Publish(Request({}), &response).error_code(), StatusCode::INVALID_ARGUMENT);
  v1::PublishRequest many;
  for (int i = 0; i < 101; ++i) many.add_events("{}");
  EXPECT_EQ(Publish(many, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  v1::PublishRequest large;
  large.add_events(std::string(2 << 20, ' '));
  EXPECT_EQ(Publish(large, &response).error_code(), StatusCode::RESOURCE_EXHAUSTED);  // gRPC's own
  EXPECT_EQ(Publish(Request({"{}"}, std::string(300, 'k').c_str()), &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(Publish(Request({R"({"k":1})"}, "key"), &response).ok());
  EXPECT_EQ(Publish(Request({R"({"k":2})"}, "key"), &response).error_code(),
            StatusCode::FAILED_PRECONDITION);
}

TEST_F(GrpcEndpointTest, OverTheRate) {
  Start({.max_rate = 1});
  v1::PublishResponse response;
  ASSERT_TRUE(Publish(Request({R"({"k":1})", R"({"k":1})"}), &response).ok());
  EXPECT_EQ(Publish(Request({R"({"k":1})"}), &response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(context_->GetServerTrailingMetadata().count("retry-after"), 1u);
}

TEST_F(GrpcEndpointTest, TheClientsDeadlineHolds) {
  producer_->answer_at_once = false;
  v1::PublishResponse response;
  EXPECT_EQ(Publish(Request({R"({"k":1})"}), &response, milliseconds(100)).error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  producer_->Answer();  // answers a call that is gone
  producer_->answer_at_once = true;
  EXPECT_TRUE(Publish(Request({R"({"k":1})"}), &response).ok());
}

TEST_F(GrpcEndpointTest, StreamAnswersInOrderAndIsBounded) {
  producer_->answer_at_once = false;
  grpc::ClientContext context;
  auto stream = stub_->PublishStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(stream->Write(Request({base::StrCat(R"({"k":)", i, "}").c_str(), "{"})));
    }
    stream->WritesDone();
  });
  ASSERT_TRUE(producer_->WaitForRecords(GrpcStream::kWindow));
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(producer_->sent().size(), GrpcStream::kWindow) << "no more until Kafka has answered";
  std::atomic<bool> done{false};
  std::thread kafka([&] {
    while (!done) {
      producer_->Answer();
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  v1::PublishResponse response;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(stream->Read(&response)) << i;
    ASSERT_EQ(response.results(0).offset(), i);
    ASSERT_EQ(response.results(1).code(), v1::EventResult::INVALID);
  }
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
  done = true;
  writer.join();
  kafka.join();
}

TEST_F(GrpcEndpointTest, StreamWaitsWhereACallWouldBeRefused) {
  Start({.max_rate = 5});
  grpc::ClientContext context;
  auto stream = stub_->PublishStream(&context);
  const auto begun = std::chrono::steady_clock::now();
  v1::PublishResponse response;
  for (int i = 0; i < 3; ++i) {
    v1::PublishRequest request;
    for (int j = 0; j < 5; ++j) request.add_events(base::StrCat(R"({"k":)", i, "}"));
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.results(4).code(), v1::EventResult::ACCEPTED);
  }
  EXPECT_GT(std::chrono::steady_clock::now() - begun, milliseconds(900));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(producer_->sent().size(), 15u);
}

TEST_F(GrpcEndpointTest, CancelledStreamsEnd) {
  Start({.max_rate = 1});
  producer_->answer_at_once = false;
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    auto stream = stub_->PublishStream(&context);
    for (int j = 0; j < 3; ++j) stream->Write(Request({R"({"k":1})", R"({"k":2})"}));
    std::this_thread::sleep_for(milliseconds(50));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
  producer_->Answer();
  EXPECT_TRUE(intake_->WaitUntilIdle(seconds(10)));
  endpoint_->Stop(seconds(5));
}

TEST_F(GrpcEndpointTest, Drain) {
  producer_->answer_at_once = false;
  grpc::ClientContext idle_context, busy_context;
  auto idle = stub_->PublishStream(&idle_context);
  auto busy = stub_->PublishStream(&busy_context);
  ASSERT_TRUE(busy->Write(Request({R"({"k":1})"})));
  ASSERT_TRUE(producer_->WaitForRecords(1));
  intake_->BeginDrain();
  endpoint_->BeginDrain();
  v1::PublishResponse response;
  EXPECT_EQ(Publish(Request({R"({"k":1})"}), &response).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_FALSE(idle->Read(&response));
  EXPECT_EQ(idle->Finish().error_code(), StatusCode::UNAVAILABLE);
  producer_->Answer();
  ASSERT_TRUE(busy->Read(&response));
  EXPECT_EQ(response.results(0).code(), v1::EventResult::ACCEPTED);
  EXPECT_FALSE(busy->Read(&response));
  EXPECT_EQ(busy->Finish().error_code(), StatusCode::UNAVAILABLE);
  const auto begun = std::chrono::steady_clock::now();
  endpoint_->Stop(seconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
}

}  // namespace
}  // namespace levada::ingest
