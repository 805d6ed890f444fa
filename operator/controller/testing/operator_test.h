#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/kafka/admin.h"
#include "operator/controller/pipeline_controller.h"
#include "operator/kube/testing/api_server.h"
#include "operator/kube/testing/fault_transport.h"
#include "operator/render/render.h"
#include "operator/topics/kafka_state.h"

// For tests of the whole operator, without its `main`, against a real API server and a real Kafka:
// operators that can be ended at a call of their choice, and what a pipeline has become.
//
//   class MyTest : public OperatorTest { ... };
//   user_->Apply(kube::kPipelines, Pipeline());
//   { Operator first(*this); first.faults->FailFrom(7); first.Start(); ... }     // ended
//   Operator second(*this); second.Start();
//   ASSERT_TRUE(Settles());
//   EXPECT_EQ(Objects(), as_they_should_be);
//
// Threads: one.
namespace levada::controller {

class OperatorTest : public kube::ApiTest {
 protected:
  // One life of the operator: nothing of it is left for the next one but what the servers hold.
  struct Operator {
    explicit Operator(const OperatorTest& test, kube::Clock& clock = kube::RealClock());
    void Start() { controller.Start(); }

    std::shared_ptr<kube::FaultTransport> faults;
    kube::Client client;
    std::unique_ptr<KafkaState> kafka;
    Metrics metrics;
    PipelineController controller;  // its destructor stops it
  };

  void SetUp() override;
  void TearDown() override;

  // Three stages and three topics; goes with its topics.
  kube::Json Pipeline() const;
  void Apply(const kube::Json& pipeline);
  kube::Json Live();
  std::string ConditionOf(std::string_view type, const char* field = "status");
  // The newest manifest is carried out, and Kafka has what it wants.
  bool Settles();
  // Deletes the pipeline; what it owned is deleted as Kubernetes' garbage collector would.
  void Delete() { client_->Delete(kube::kPipelines, key_).IgnoreError(); }
  bool Gone();
  void CollectGarbage();

  // All objects of the pipeline, without what differs from one life of it to the next.
  std::map<std::string, kube::Json> Objects();
  // Topics that it manages, by its status.
  std::set<std::string> ManagedTopics();
  // Those that it has named so far and Kafka has.
  std::set<std::string> TopicsInKafka();

  static std::string Brokers();

  kube::ObjectKey key_;
  std::unique_ptr<kafka::Admin> admin_;
  std::set<std::string> topics_;
};

}  // namespace levada::controller
