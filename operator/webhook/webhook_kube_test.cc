// The webhook behind a real API server, which calls it by URL.

#include <gmock/gmock.h>
#include <time.h>
#include <yaml-cpp/yaml.h>

#include <atomic>
#include <set>

#include "absl/strings/str_join.h"
#include "core/base/encoding.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "operator/kube/errors.h"
#include "operator/kube/testing/api_server.h"
#include "operator/webhook/review.h"
#include "operator/webhook/webhook.h"

namespace levada::webhook {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

Json ToJson(const YAML::Node& node) {
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const YAML::Node& element : node) list.push_back(ToJson(element));
    return list;
  }
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& entry : node) object[entry.first.as<std::string>()] = ToJson(entry.second);
    return object;
  }
  const std::string text = node.IsNull() ? "" : node.as<std::string>();
  if (node.Tag() == "!") return text;  // quoted
  const Json plain = Json::parse(text, nullptr, false);
  return plain.is_discarded() ? Json(text) : plain;
}

// Of the whole process; the machine may be busy with something else.
double CpuSecondsOf(const std::function<void()>& call) {
  const auto now = [] {
    timespec time = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double began = now();
  call();
  return now() - began;
}

// Each test has a webhook of its own, for its own namespace.
class WebhookKubeTest : public kube::ApiTest {
 protected:
  void SetUp() override {
    kube::ApiTest::SetUp();
    if (IsSkipped()) return;
    const Json crd = ToJson(YAML::LoadFile("manifests/crd/pipelines.levada.dev.yaml"));
    ASSERT_TRUE(client_->Apply(kube::kCustomResourceDefinitions, crd, {.force = true}).ok());
    ASSERT_TRUE(kube::Becomes([&] { return client_->List(kube::kPipelines).ok(); }));
    secret_ = {space_, "webhook"};
    ASSERT_TRUE(
        client_
            ->Create(kube::kSecrets, {{"metadata", {{"name", "webhook"}, {"namespace", space_}}}})
            .ok());
  }

  void TearDown() override {
    replicas_.clear();
    if (client_) {
      client_->Delete(kube::kValidatingWebhooks, {"", space_}).IgnoreError();
      const auto left = client_->List(kube::kPipelines, {.name_space = space_});
      for (const Json& pipeline : left.value_or(std::vector<Json>())) {
        client_->Delete(kube::kPipelines, kube::KeyOf(pipeline)).IgnoreError();
      }
      client_->Delete(kube::kSecrets, secret_).IgnoreError();
    }
    kube::ApiTest::TearDown();
  }

  Webhook& StartReplica(const Lifetimes& lifetimes = {}) {
    Webhook::Options options;
    options.address = "127.0.0.1";
    options.look_every = options.retry_every = milliseconds(100);
    options.probe.certificate_ends = [this](int64_t) { ++certificates_; };
    replicas_.push_back(
        std::make_unique<Webhook>(OwnCertificates(*client_, {.secret = secret_,
                                                             .configuration = space_,
                                                             .hosts = {"127.0.0.1", "levada.svc"},
                                                             .lifetimes = lifetimes}),
                                  options));
    replicas_.back()->Start();
    EXPECT_NE(replicas_.back()->port(), 0);
    return *replicas_.back();
  }

  // As the chart makes it, but for the URL and the namespace.
  void Configure(uint16_t port, const std::string& policy) {
    const Json rule = {{"apiGroups", {"levada.dev"}},
                       {"apiVersions", {"v1alpha1"}},
                       {"operations", {"CREATE", "UPDATE"}},
                       {"resources", {"pipelines"}}};
    const Json webhook = {
        {"name", "pipelines.levada.dev"},
        {"admissionReviewVersions", {"v1"}},
        {"sideEffects", "None"},
        {"failurePolicy", policy},
        {"timeoutSeconds", 30},  // the machine may be busy; what a review costs is measured
        {"rules", Json::array({rule})},
        {"namespaceSelector", {{"matchLabels", {{"kubernetes.io/metadata.name", space_}}}}},
        {"clientConfig", {{"url", base::StrCat("https://127.0.0.1:", port, "/validate")}}}};
    const auto applied =
        client_->Apply(kube::kValidatingWebhooks,
                       {{"metadata", {{"name", space_}}}, {"webhooks", Json::array({webhook})}});
    ASSERT_TRUE(applied.ok()) << applied.status();
  }

  // A webhook that refuses what is wrong: the API server has heard of it.
  Webhook& StartAndWait(const std::string& policy = "Fail", const Lifetimes& lifetimes = {}) {
    Webhook& webhook = StartReplica(lifetimes);
    Configure(webhook.port(), policy);
    EXPECT_TRUE(kube::Becomes([&] {
      const absl::Status status = DryRun(Bad("waits"));
      const auto error = kube::ApiErrorOf(status);
      return error && error->code == 422;
    })) << DryRun(Bad("waits"));
    return webhook;
  }

  Json Good(const std::string& name) const {
    Json pipeline = Json::parse(R"({"spec": {"topics": [{"name": "orders", "partitions": 3}],
      "stages": [{"name": "gate", "ingest": {"http": {"path": "/orders"}, "to": "orders"}}]}})");
    pipeline["metadata"] = {{"name", name}, {"namespace", space_}};
    return pipeline;
  }
  // Nothing that the CRD's own rules would find.
  Json Bad(const std::string& name) const {
    Json pipeline = Good(name);
    pipeline["spec"]["stages"][0]["ingest"]["to"] = "order";
    pipeline["spec"]["stages"].push_back(Json::parse(
        R"({"name": "s", "scoring": {"from": "none", "to": "orders", "steps": [{"filter": "a >"}]}})"));
    return pipeline;
  }
  absl::Status DryRun(const Json& pipeline) {
    return client_->Create(kube::kPipelines, pipeline, {.dry_run = true}).status();
  }

  std::string Bundle() {
    const auto live = client_->Get(kube::kValidatingWebhooks, {"", space_});
    EXPECT_TRUE(live.ok()) << live.status();
    return kube::TextAt((*live)["webhooks"][0], {"clientConfig", "caBundle"});
  }

  kube::ObjectKey secret_;
  std::atomic<int> certificates_ = 0;
  std::vector<std::unique_ptr<Webhook>> replicas_;
};

TEST_F(WebhookKubeTest, ABadManifestIsRefusedWithEveryProblemAndAGoodOneGoesThrough) {
  StartAndWait();
  const absl::Status refused = client_->Create(kube::kPipelines, Bad("bad")).status();
  const auto error = kube::ApiErrorOf(refused);
  ASSERT_TRUE(error) << refused;
  EXPECT_EQ(error->code, 422);
  std::vector<std::string> fields;
  for (const auto& cause : error->causes) fields.push_back(cause.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("spec.stages[0].ingest.to",
                                                    "spec.stages[1].scoring.from",
                                                    "spec.stages[1].scoring.steps[0].filter"));
  EXPECT_THAT(error->message, HasSubstr("denied the request"));
  const auto made = client_->Create(kube::kPipelines, Good("good"));
  ASSERT_TRUE(made.ok()) << made.status();
  // An edit that the CRD's rules let through, as the partitions are a default.
  Json shrunk = *made;
  shrunk["spec"]["topics"][0].erase("partitions");
  EXPECT_FALSE(client_->Update(kube::kPipelines, shrunk).ok());
}

TEST_F(WebhookKubeTest, WarningsReachWhoApplies) {
  StartAndWait();
  Json odd = Good("odd");
  odd["apiVersion"] = "levada.dev/v1alpha1";
  odd["kind"] = "Pipeline";
  odd["spec"]["topics"].push_back({{"name", "unused"}});
  const std::string body = odd.dump();
  const auto response =
      transport_->Send({.method = "POST",
                        .path = kube::kPipelines.Path({space_, ""}) + "?dryRun=All",
                        .body = body});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_THAT(std::string(response->Header("Warning")), HasSubstr("spec.topics[1]"));
}

TEST_F(WebhookKubeTest, WhatIsInvalidAlreadyIsStillLabelledAndDeleted) {
  Json bad = Bad("bad");
  bad["metadata"]["finalizers"] = {"levada.dev/topics"};
  ASSERT_TRUE(client_->Create(kube::kPipelines, bad).ok()) << "no webhook yet";
  StartAndWait();
  const kube::ObjectKey key{space_, "bad"};
  const auto patch = [&](const Json& change, const std::string& subresource = "") {
    return client_
        ->Patch(kube::kPipelines, key, kube::PatchType::kMerge, change,
                {.subresource = subresource})
        .status();
  };
  EXPECT_TRUE(patch({{"metadata", {{"labels", {{"a", "b"}}}}}}).ok());
  EXPECT_TRUE(patch({{"status", {{"phase", "Invalid"}}}}, "status").ok());
  EXPECT_FALSE(patch({{"spec", {{"paused", true}}}}).ok()) << "it is invalid still";
  ASSERT_TRUE(client_->Delete(kube::kPipelines, key).ok());
  EXPECT_TRUE(patch({{"metadata", {{"finalizers", nullptr}}}}).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kube::kPipelines, key).status()));
}

TEST_F(WebhookKubeTest, WhereItDoesNotAnswerPipelinesAreTakenAllTheSame) {
  StartAndWait("Ignore").Stop();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(client_->Create(kube::kPipelines, Bad("bad")).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(25)) << "refused, not waited for";
}

// Certificates and their authority end within seconds, and every request must be answered: with
// `Fail` one that is not fails.
TEST_F(WebhookKubeTest, CertificatesAreRenewedWithoutAFailedRequest) {
  const Lifetimes lifetimes{.authority = seconds(30), .server = seconds(12), .settle = seconds(5)};
  StartAndWait("Fail", lifetimes);
  StartReplica(lifetimes);
  std::atomic<int> answered = 0;
  std::mutex mutex;
  std::vector<std::string> failures;
  std::set<std::string> bundles;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const absl::Status status = DryRun(Good("good"));
          const std::lock_guard lock(mutex);
          if (status.ok()) {
            ++answered;
          } else {
            failures.emplace_back(status.message());
          }
        }
      });
    }
    for (int i = 0; i < 80; ++i) {
      bundles.insert(Bundle());
      std::this_thread::sleep_for(milliseconds(500));
    }
  }
  EXPECT_EQ(failures.size(), 0u) << absl::StrJoin(failures, "\n").substr(0, 2000);
  EXPECT_GT(answered, 50);
  EXPECT_GE(bundles.size(), 2u) << "the authority was renewed";
  EXPECT_GE(certificates_, 6) << "of both replicas";
  base::LogInfo("rotation", {{"requests", answered.load()},
                             {"certificates", certificates_.load()},
                             {"authorities", bundles.size()}});
}

TEST_F(WebhookKubeTest, ReplicasShareOneCertificateWhoeverMakesIt) {
  Configure(1, "Ignore");
  std::vector<std::jthread> starting;
  std::mutex mutex;
  std::set<std::string> served;
  for (int i = 0; i < 4; ++i) {
    starting.emplace_back([&] {
      const auto source = OwnCertificates(
          *client_, {.secret = secret_, .configuration = space_, .hosts = {"127.0.0.1"}});
      const auto certificate = source->Get();
      ASSERT_TRUE(certificate.ok()) << certificate.status();
      const std::lock_guard lock(mutex);
      served.insert(certificate->certificate);
    });
  }
  starting.clear();
  EXPECT_EQ(served.size(), 1u);
  const auto secret = client_->Get(kube::kSecrets, secret_);
  EXPECT_EQ(kube::TextAt(*secret, {"data", "ca.crt"}), Bundle());
}

TEST_F(WebhookKubeTest, WithoutTheSecretNothingIsServedUntilItIsThere) {
  ASSERT_TRUE(client_->Delete(kube::kSecrets, secret_).ok());
  const auto source = OwnCertificates(
      *client_, {.secret = secret_, .configuration = space_, .hosts = {"127.0.0.1"}});
  EXPECT_TRUE(absl::IsNotFound(source->Get().status())) << "it makes none: it may not";
}

TEST_F(WebhookKubeTest, AHundredReviewsAtOnce) {
  StartAndWait();
  kube::Client patient(
      transport_, {.requests_per_second = 1000, .burst = 1000, .timeout = std::chrono::minutes(3)});
  std::atomic<int> answered = 0;
  const double cpu = CpuSecondsOf([&] {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 100; ++i) {
      callers.emplace_back([&, i] {
        const bool good = i % 2 == 0;
        const absl::Status status =
            patient.Create(kube::kPipelines, good ? Good("good") : Bad("bad"), {.dry_run = true})
                .status();
        const auto error = kube::ApiErrorOf(status);
        const bool refused = error && error->code == 422;
        if (good ? status.ok() : refused) {
          ++answered;
        } else {
          ADD_FAILURE() << status;
        }
      });
    }
  });
  EXPECT_EQ(answered, 100);
  base::LogInfo("a hundred reviews at once", {{"cpu_seconds_of_both_sides", cpu}});
}

// As many stages, topics and steps as the schema allows and a manifest has room for.
TEST_F(WebhookKubeTest, TheLargestManifestCostsAPartOfTheTimeout) {
  StartAndWait();
  Json large = Good("large");
  Json& spec = large["spec"];
  for (int i = 0; i < 200; ++i) {
    Json fields = Json::array();
    for (int f = 0; f < 20; ++f) {
      fields.push_back({{"name", base::StrCat("field_", f)}, {"type", "double"}});
    }
    spec["topics"].push_back({{"name", base::StrCat("topic_", i)}, {"fields", fields}});
  }
  Json sum = "field_0";
  for (int f = 1; f < 20; ++f) sum = base::StrCat(sum.get<std::string>(), " + field_", f);
  for (int i = 0; i < 120; ++i) {
    Json steps = Json::array();
    for (int s = 0; s < 20; ++s) {
      steps.push_back(
          {{"set", Json::array({{{"name", base::StrCat("sum_", s)}, {"value", sum}}})}});
    }
    spec["stages"].push_back(
        {{"name", base::StrCat("stage-", i)},
         {"scoring", {{"from", base::StrCat("topic_", i)}, {"to", "orders"}, {"steps", steps}}}});
  }
  const size_t bytes = large.dump().size();
  EXPECT_GT(bytes, 700'000u);
  EXPECT_LT(bytes, 1'048'576u);
  const absl::Status made = DryRun(large);
  EXPECT_TRUE(made.ok()) << made;
  large["apiVersion"] = "levada.dev/v1alpha1";
  large["kind"] = "Pipeline";
  Json edited = large;
  edited["spec"]["topics"][0]["partitions"] = 6;
  const Json review = {{"apiVersion", "admission.k8s.io/v1"},
                       {"kind", "AdmissionReview"},
                       {"request",
                        {{"uid", "1"},
                         {"operation", "UPDATE"},
                         {"kind", {{"group", "levada.dev"}, {"kind", "Pipeline"}}},
                         {"object", edited},
                         {"oldObject", large}}}};
  const std::string body = review.dump();
  // An update costs the most: it looks at both.
  const double cpu = CpuSecondsOf([&] {
    const auto answer = Review(body);
    EXPECT_TRUE(answer.ok() && answer->allowed);
  });
  base::LogInfo("the largest manifest", {{"bytes", bytes}, {"cpu_seconds_of_an_update", cpu}});
  EXPECT_LT(cpu, 2) << "of 5 s that the chart gives it";
}

}  // namespace
}  // namespace levada::webhook
