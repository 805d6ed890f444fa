#include "operator/controller/testing/operator_test.h"

#include <fstream>
#include <sstream>

#include "core/base/strings.h"
#include "core/pipeline/manifest.h"

namespace levada::controller {

using kube::Json;

namespace {

// Of one life of an object.
void Strip(Json* object) {
  Json& metadata = (*object)["metadata"];
  for (const char* field :
       {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}) {
    metadata.erase(field);
  }
  for (Json& owner : metadata["ownerReferences"]) owner.erase("uid");
  metadata["annotations"].erase("levada.dev/fingerprint");  // of the owner's uid too
  object->erase("status");
  if (kube::TextAt(*object, {"kind"}) == kube::kServices.kind) {
    (*object)["spec"].erase("clusterIP");
    (*object)["spec"].erase("clusterIPs");
  }
}

}  // namespace

OperatorTest::Operator::Operator(const OperatorTest& test, kube::Clock& clock)
    : faults(std::make_shared<kube::FaultTransport>(test.transport_)),
      client(faults, {.requests_per_second = 1000, .burst = 1000, .clock = &clock}),
      kafka(topics::MakeKafkaState(
          {.config =
               [](const Json&, const pipeline::Plan& plan) {
                 const auto& connections = plan.pipeline.spec().connections();
                 const auto own = connections.find("kafka");
                 return absl::StatusOr<kafka::ClientConfig>(
                     {.brokers =
                          own == connections.end() ? Brokers() : own->second.kafka().brokers()});
               },
           .timing = {.call_timeout = std::chrono::milliseconds(3000),
                      .lag_every = std::chrono::milliseconds(1000)}})),
      controller(client, *kafka, metrics,
                 {.name_space = test.space_, .identity = "test", .clock = &clock}) {}

std::string OperatorTest::Brokers() {
  const char* brokers = std::getenv("LEVADA_KAFKA");
  return brokers == nullptr ? "127.0.0.1:19092" : brokers;
}

void OperatorTest::SetUp() {
  ApiTest::SetUp();
  if (IsSkipped()) return;
  std::ifstream in("manifests/crd/pipelines.levada.dev.yaml");
  std::stringstream text;
  text << in.rdbuf();
  const auto made = transport_->Send(
      {.method = "PATCH",
       .path = kube::kCustomResourceDefinitions.Path({"", "pipelines.levada.dev"}) +
               "?fieldManager=test&force=true",
       .body = text.str(),
       .content_type = "application/apply-patch+yaml"});
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_LT(made->status, 300) << made->body;
  ASSERT_TRUE(kube::Becomes([&] { return client_->List(kube::kPipelines).ok(); }));
  key_ = {space_, base::StrCat("t", base::RandomSeed() % 1'000'000'000)};
  auto admin = kafka::Admin::Create({.brokers = Brokers()}, std::chrono::seconds(10));
  ASSERT_TRUE(admin.ok()) << admin.status();
  admin_ = *std::move(admin);
}

void OperatorTest::TearDown() {
  if (client_ && !key_.name.empty()) {
    const Json released = {{"metadata", {{"finalizers", nullptr}}}};
    client_->Patch(kube::kPipelines, key_, kube::PatchType::kMerge, released)
        .status()
        .IgnoreError();
    Delete();
    CollectGarbage();
    for (const std::string& topic : TopicsInKafka()) admin_->Delete({topic}).IgnoreError();
  }
  ApiTest::TearDown();
}

Json OperatorTest::Pipeline() const {
  const std::string orders = key_.name + ".orders";
  const std::string large = key_.name + ".large";
  return {{"metadata", {{"name", key_.name}, {"namespace", key_.name_space}}},
          {"spec",
           {{"deletionPolicy", "Delete"},
            {"topics", {{{"name", orders}, {"partitions", 2}}, {{"name", large}}}},
            {"stages",
             {{{"name", "gateway"}, {"ingest", {{"http", {{"path", "/orders"}}}, {"to", orders}}}},
              {{"name", "filter"},
               {"scoring",
                {{"from", orders}, {"steps", {{{"filter", "amount > 100"}}}}, {"to", large}}}},
              {{"name", "files"},
               {"archiving", {{"from", large}, {"ndjson", {{"folder", "large"}}}}}}}}}}};
}

void OperatorTest::Apply(const Json& pipeline) {
  const auto applied =
      client_->Apply(kube::kPipelines, pipeline, {.force = true, .field_manager = "user"});
  ASSERT_TRUE(applied.ok()) << applied.status();
}

Json OperatorTest::Live() { return client_->Get(kube::kPipelines, key_).value_or(Json()); }

std::string OperatorTest::ConditionOf(std::string_view type, const char* field) {
  const Json live = Live();
  const Json* conditions = kube::Find(live, {"status", "conditions"});
  const Json* found = conditions == nullptr ? nullptr : kube::FindCondition(*conditions, type);
  return found == nullptr ? "" : found->value(field, "");
}

bool OperatorTest::Settles() {
  return kube::Becomes([&] {
    const Json live = Live();
    const Json* topics = kube::Find(live, {"status", "topics"});
    if (topics == nullptr || topics->empty()) return false;
    for (const Json& topic : *topics) topics_.insert(kube::TextAt(topic, {"name"}));
    const Json* ready = kube::FindCondition(live["status"]["conditions"], "TopicsReady");
    return kube::IntAt(live, {"status", "appliedGeneration"}) == kube::GenerationOf(live) &&
           kube::IntAt(live, {"status", "observedGeneration"}) == kube::GenerationOf(live) &&
           ready != nullptr && kube::TextAt(*ready, {"status"}) == "True";
  });
}

bool OperatorTest::Gone() {
  return kube::Becomes(
      [&] { return absl::IsNotFound(client_->Get(kube::kPipelines, key_).status()); },
      std::chrono::seconds(90));
}

void OperatorTest::CollectGarbage() {
  for (const kube::Resource* resource : render::Kinds()) {
    const auto objects =
        client_->List(*resource, {.name_space = space_, .label_selector = "levada.dev/pipeline"});
    if (!objects.ok()) continue;  // a kind that this server does not have
    for (const Json& object : *objects) {
      // What protects volumes in use is not there either.
      if (*resource == kube::kPersistentVolumeClaims) {
        const Json released = {{"metadata", {{"finalizers", nullptr}}}};
        client_->Patch(*resource, kube::KeyOf(object), kube::PatchType::kMerge, released)
            .status()
            .IgnoreError();
      }
      client_->Delete(*resource, kube::KeyOf(object)).IgnoreError();
    }
  }
}

std::map<std::string, Json> OperatorTest::Objects() {
  std::map<std::string, Json> found;
  for (const kube::Resource* resource : render::Kinds()) {
    auto objects =
        client_->List(*resource, {.name_space = space_, .label_selector = "levada.dev/pipeline"});
    if (!objects.ok()) continue;
    for (Json& object : *objects) {
      Strip(&object);
      const std::string name = base::StrCat(resource->kind, " ", kube::NameOf(object));
      found[name] = std::move(object);
    }
  }
  return found;
}

std::set<std::string> OperatorTest::ManagedTopics() {
  std::set<std::string> managed;
  const Json live = Live();
  if (const Json* topics = kube::Find(live, {"status", "topics"})) {
    for (const Json& topic : *topics) {
      if (topic.value("managed", false)) managed.insert(kube::TextAt(topic, {"name"}));
    }
  }
  return managed;
}

std::set<std::string> OperatorTest::TopicsInKafka() {
  const auto states = admin_->Describe({topics_.begin(), topics_.end()});
  EXPECT_TRUE(states.ok()) << states.status();
  std::set<std::string> names;
  if (states.ok()) {
    for (const auto& [name, state] : *states) names.insert(name);
  }
  return names;
}

}  // namespace levada::controller
