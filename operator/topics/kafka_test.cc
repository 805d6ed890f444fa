// Against a real Kafka (LEVADA_KAFKA; ./dev servers up) and one that does not answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/random.h"
#include "core/base/strings.h"
#include "core/kafka/producer.h"
#include "core/pipeline/manifest.h"
#include "operator/kube/testing/silent_server.h"
#include "operator/topics/kafka_state.h"

namespace levada::topics {
namespace {

using controller::PipelineInKafka;
using kube::Json;
using kube::SilentServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::string Brokers() {
  const char* brokers = std::getenv("LEVADA_KAFKA");
  return brokers == nullptr ? "127.0.0.1:19092" : brokers;
}

bool Eventually(const std::function<bool()>& holds, seconds within = seconds(60)) {
  const auto until = Clock::now() + within;
  while (Clock::now() < until) {
    if (holds()) return true;
    std::this_thread::sleep_for(milliseconds(50));
  }
  return holds();
}

// A pipeline as the controller holds it: what Want says becomes its status.
struct Applied {
  Json object;
  pipeline::Plan plan;
  std::string brokers = Brokers();
  bool hold = false;
};

class KafkaTest : public testing::Test {
 protected:
  KafkaTest() : id_(base::StrCat("t", base::RandomSeed() % 1'000'000'000)) {
    kafka_ = MakeKafkaState({.config =
                                 [this](const Json& pipeline, const pipeline::Plan&) {
                                   ++configs_;
                                   if (!config_error_.ok()) {
                                     return absl::StatusOr<kafka::ClientConfig>(config_error_);
                                   }
                                   return absl::StatusOr<kafka::ClientConfig>(
                                       {.brokers = kube::AnnotationOf(pipeline, "brokers"),
                                        .properties = {{"client.id", secret_}}});
                                 },
                             .timing = {.call_timeout = milliseconds(3000),
                                        .lag_every = milliseconds(500),
                                        .check_every = milliseconds(2000)}});
    kafka_->Start([this](const kube::ObjectKey&) { ++changes_; });
    admin_ = *kafka::Admin::Create({.brokers = Brokers()}, seconds(10));
  }
  ~KafkaTest() override {
    kafka_->Stop();
    std::vector<std::string> topics;
    for (const std::string& name : names_) topics.push_back(name);
    for (const std::string& topic : topics) admin_->Delete({topic}).IgnoreError();
  }

  Applied Make(const std::string& name, const std::string& topic, int partitions = 3,
               const std::string& more = "", const std::string& name_space = "default") {
    const std::string text = base::StrCat(
        "apiVersion: levada.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: ", id_, name,
        ", namespace: ", name_space,
        "}\nspec:\n  deletionPolicy: Delete\n  topics:\n  - {name: ", id_, topic,
        ", partitions: ", partitions, ", retention: 1h", more,
        "}\n  stages:\n  - {name: in, ingest: {http: {path: /e}, to: ", id_, topic,
        "}}\n  - {name: keep, archiving: {from: ", id_, topic, ", ndjson: {folder: e}}}\n");
    pipeline::Manifests manifests = pipeline::ReadManifests(text, "test.yaml");
    EXPECT_EQ(manifests.problems.ToText(), "");
    Applied applied;
    applied.plan = pipeline::Compile(manifests.documents.at(0).pipeline);
    applied.object = {{"metadata",
                       {{"name", id_ + name},
                        {"namespace", name_space},
                        {"uid", base::StrCat(id_, name_space, name)},
                        {"generation", partitions}}}};
    for (const pipeline::PlannedTopic& planned : applied.plan.topics) names_.insert(planned.name);
    return applied;
  }

  PipelineInKafka Want(Applied& applied) {
    applied.object["metadata"]["annotations"]["brokers"] = applied.brokers;
    PipelineInKafka known = kafka_->Want({applied.object, applied.plan, secret_, applied.hold});
    applied.object["status"]["topics"] = known.rows;
    return known;
  }

  bool BecomesReady(Applied& applied) {
    return Eventually([&] { return Want(applied).ready.status == "True"; });
  }

  // In front of the stage `keep`; -1: not known yet.
  int64_t LagOf(Applied& applied) {
    const PipelineInKafka known = Want(applied);
    const auto stage = known.stages.find("keep");
    if (stage == known.stages.end()) return -1;
    int64_t sum = 0;
    for (const auto& partition : stage->second.partitions) sum += partition.lag;
    return sum;
  }

  kafka::TopicState State(const std::string& topic) { return StateOf(id_ + topic); }
  kafka::TopicState StateOf(const std::string& name) {
    auto states = admin_->Describe({name});
    EXPECT_TRUE(states.ok()) << states.status();
    return (*states)[name];
  }

  void Produce(const std::string& topic, int count) {
    auto producer = kafka::Producer::Create({.client = {.brokers = Brokers()}}, nullptr);
    ASSERT_TRUE(producer.ok());
    const int to = (*producer)->AddTopic(id_ + topic);
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE((*producer)->Produce({.topic = to, .value = "{}", .has_value = true}).ok());
    }
    ASSERT_TRUE((*producer)->Flush(seconds(10)).ok());
  }

  const std::string id_;
  std::set<std::string> names_;
  std::unique_ptr<controller::KafkaState> kafka_;
  std::unique_ptr<kafka::Admin> admin_;
  absl::Status config_error_;
  std::string secret_ = "first";  // what the connection is read from
  std::atomic<int> changes_{0};
  std::atomic<int> configs_{0};
};

TEST_F(KafkaTest, MakesTopicsPutsDriftRightAndGrowsThem) {
  Applied shop = Make("shop", "orders");
  EXPECT_EQ(Want(shop).ready.status, "Unknown") << "at once, without waiting";
  ASSERT_TRUE(BecomesReady(shop)) << Want(shop).ready.message;
  EXPECT_GE(changes_, 2) << "claimed, then made";
  // A broker tells of a new topic a moment after the controller has made it.
  ASSERT_TRUE(Eventually([&] { return State("orders").partitions == 3; }));
  EXPECT_EQ(State("orders").config["retention.ms"], "3600000");

  ASSERT_TRUE(
      admin_->SetConfig(id_ + "orders", {{"retention.ms", "1000"}, {"min.insync.replicas", "1"}})
          .ok());
  ASSERT_TRUE(Eventually([&] {
    auto config = State("orders").config;
    return config["retention.ms"] == "3600000" && !config.contains("min.insync.replicas");
  }));

  Applied grown = Make("shop", "orders", 5);
  grown.object["status"] = shop.object["status"];
  EXPECT_TRUE(Eventually([&] {
    Want(grown);
    return State("orders").partitions == 5;
  }));
}

TEST_F(KafkaTest, LeavesSomebodyElsesTopicAlone) {
  ASSERT_TRUE(admin_->Create({{id_ + "theirs", 2, -1, {{"retention.ms", "5000"}}}}).ok());
  ASSERT_TRUE(Eventually([&] { return State("theirs").partitions == 2; }));
  Applied shop = Make("shop", "theirs");
  ASSERT_TRUE(BecomesReady(shop)) << Want(shop).ready.message;
  EXPECT_THAT(Want(shop).ready.message, HasSubstr("used as it is"));
  EXPECT_EQ(State("theirs").partitions, 2);
  EXPECT_EQ(State("theirs").config["retention.ms"], "5000");
}

TEST_F(KafkaTest, TwoPipelinesThatWantOneTopicDoNotFight) {
  Applied first = Make("a", "shared", 3);
  ASSERT_TRUE(BecomesReady(first));
  Applied second = Make("b", "shared", 3, ", config: {min.insync.replicas: \"1\"}");
  ASSERT_TRUE(Eventually([&] { return Want(second).ready.reason == "TopicsDiffer"; }))
      << Want(second).ready.message;
  EXPECT_THAT(Want(second).ready.message, HasSubstr(base::StrCat("default/", id_, "a")));
  EXPECT_FALSE(State("shared").config.contains("min.insync.replicas"));
  EXPECT_EQ(Want(first).ready.status, "True");
}

TEST_F(KafkaTest, CountsWhatWaits) {
  Applied shop = Make("shop", "orders");
  ASSERT_TRUE(BecomesReady(shop));
  Produce("orders", 700);
  EXPECT_TRUE(Eventually([&] { return LagOf(shop) == 700; })) << LagOf(shop);
}

TEST_F(KafkaTest, TopicsThatAreHeldStayAsTheyAreAndTheirLagIsRead) {
  Applied shop = Make("shop", "orders");
  shop.hold = true;
  Want(shop);
  std::this_thread::sleep_for(seconds(2));
  EXPECT_EQ(Want(shop).ready.reason, "Pending");
  EXPECT_EQ(Want(shop).rows, Json::array());
  EXPECT_EQ(State("orders").partitions, 0) << "it is not there";
  shop.hold = false;
  ASSERT_TRUE(BecomesReady(shop));

  Applied grown = Make("shop", "orders", 5);
  grown.object["status"] = shop.object["status"];
  grown.hold = true;
  Want(grown);
  Produce("orders", 70);
  EXPECT_TRUE(Eventually([&] { return LagOf(grown) == 70; })) << LagOf(grown);
  EXPECT_EQ(State("orders").partitions, 3);
  EXPECT_EQ(Want(grown).ready.status, "True") << "of what is there";
  EXPECT_EQ(Want(grown).rows, shop.object["status"]["topics"]);
  grown.hold = false;
  EXPECT_TRUE(Eventually([&] {
    Want(grown);
    return State("orders").partitions == 5;
  }));
}

TEST_F(KafkaTest, MarkersOfTransactionsAreNoLag) {
  Applied shop = Make("shop", "orders", 1);
  ASSERT_TRUE(BecomesReady(shop));
  auto producer = kafka::Producer::Create(
      {.client = {.brokers = Brokers()}, .transactional_id = id_ + "tx"}, nullptr);
  ASSERT_TRUE(producer.ok()) << producer.status();
  const int to = (*producer)->AddTopic(id_ + "orders");
  ASSERT_TRUE((*producer)->InitTransactions(seconds(20)).ok());
  ASSERT_TRUE((*producer)->Begin().ok());
  ASSERT_TRUE((*producer)->Produce({.topic = to, .value = "{}", .has_value = true}).ok());
  ASSERT_TRUE((*producer)->Flush(seconds(20)).ok()) << "else it never gets to Kafka";
  ASSERT_TRUE((*producer)->Abort().ok());
  // One record that nobody will ever see, and a marker: two offsets.
  const auto high = [&] { return admin_->QueryWatermarks(id_ + "orders")->at(0).high; };
  ASSERT_TRUE(Eventually([&] { return high() == 2; })) << "the marker comes a moment after Abort";
  EXPECT_TRUE(Eventually([&] {
    const PipelineInKafka known = Want(shop);
    const auto stage = known.stages.find("keep");
    return stage != known.stages.end() && stage->second.partitions.at(0).end == 2 &&
           stage->second.partitions.at(0).lag == 0;
  }));
}

TEST_F(KafkaTest, AKafkaThatHangsHoldsUpNobodyElse) {
  SilentServer silent;
  Applied stuck = Make("stuck", "never");
  stuck.brokers = silent.address();
  Applied shop = Make("shop", "orders");
  Want(stuck);
  const auto began = Clock::now();
  for (int i = 0; i < 100; ++i) Want(stuck);
  EXPECT_LT(Clock::now() - began, seconds(1)) << "nobody waits for it";
  ASSERT_TRUE(BecomesReady(shop));
  EXPECT_EQ(Want(stuck).ready.status, "Unknown");
  ASSERT_TRUE(Eventually([&] { return Want(stuck).ready.reason == "KafkaUnavailable"; }));
  EXPECT_THAT(Want(stuck).ready.message, HasSubstr(silent.address()));
  EXPECT_EQ(Want(shop).ready.status, "True");
  const auto stopping = Clock::now();
  kafka_->Stop();
  EXPECT_LT(Clock::now() - stopping, seconds(15));
}

TEST_F(KafkaTest, DeletesWhatItManagesAndWhatNobodyElseDeclares) {
  Applied shop = Make("shop", "orders");
  ASSERT_TRUE(BecomesReady(shop));
  Applied other = Make("other", "orders");
  ASSERT_TRUE(BecomesReady(other));
  ASSERT_TRUE(Eventually([&] {
    const auto deleted = kafka_->Delete({shop.object, shop.plan});
    return deleted && deleted->ok();
  }));
  EXPECT_EQ(State("orders").partitions, 3) << "the other pipeline reads it";
  EXPECT_TRUE(Eventually(
      [&] { return StateOf(pipeline::DeadLetterTopic(shop.plan.pipeline)).partitions == 0; }));
}

TEST_F(KafkaTest, PipelinesOfOneNameInTwoNamespacesHaveTopicsOfTheirOwn) {
  Applied red = Make("shop", "orders", 3, "", "red");
  Applied blue = Make("shop", "orders", 3, "", "blue");
  ASSERT_TRUE(BecomesReady(red)) << Want(red).ready.message;
  ASSERT_TRUE(BecomesReady(blue)) << Want(blue).ready.message;
  const auto deleted = [&](Applied& pipeline) {
    const auto status = kafka_->Delete({pipeline.object, pipeline.plan});
    return status && status->ok();
  };
  ASSERT_TRUE(Eventually([&] { return deleted(red); }));
  const auto partitions = [&](const Applied& pipeline) {
    return StateOf(pipeline::DeadLetterTopic(pipeline.plan.pipeline)).partitions;
  };
  EXPECT_TRUE(Eventually([&] { return partitions(red) == 0; }));
  EXPECT_EQ(partitions(blue), 1) << "it went with the pipeline of the other namespace";
  ASSERT_TRUE(Eventually([&] { return deleted(blue); }));
  EXPECT_TRUE(Eventually([&] { return partitions(blue) == 0; }));
}

TEST_F(KafkaTest, HowKafkaIsReachedIsAskedAgainWhenItsSecretChanges) {
  Applied shop = Make("shop", "orders");
  ASSERT_TRUE(BecomesReady(shop));
  for (int i = 0; i < 10; ++i) Want(shop);
  EXPECT_EQ(configs_, 1);
  secret_ = "second";
  ASSERT_TRUE(BecomesReady(shop));
  EXPECT_EQ(configs_, 2);
}

TEST_F(KafkaTest, ASecretThatCannotBeReadNowIsAskedForAgain) {
  Applied shop = Make("shop", "orders");
  config_error_ = absl::NotFoundError("Secret login is not there");
  EXPECT_EQ(Want(shop).ready.reason, "ConnectionInvalid");
  EXPECT_FALSE(Want(shop).ask_again) << "when it comes, that is told";
  config_error_ = absl::UnavailableError("the API server does not answer");
  EXPECT_TRUE(Want(shop).ask_again);
  config_error_ = absl::OkStatus();
  EXPECT_FALSE(Want(shop).ask_again);
  EXPECT_TRUE(BecomesReady(shop));
}

TEST_F(KafkaTest, AClusterThatNoPipelineIsOnEnds) {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  Applied shop = Make("shop", "orders");
  const auto reads_lag = [&] {
    const PipelineInKafka known = Want(shop);
    return known.ready.status == "True" && known.stages.contains("keep");
  };
  ASSERT_TRUE(Eventually(reads_lag));
  const auto with_one = threads();
  for (int i = 0; i < 5; ++i) {
    secret_ = base::StrCat("rotated-", i);
    ASSERT_TRUE(BecomesReady(shop));
  }
  EXPECT_TRUE(Eventually([&] { return reads_lag() && threads() <= with_one; }))
      << threads() << " threads, " << with_one << " with one cluster";

  SilentServer silent;
  shop.brokers = silent.address();
  secret_ = "hangs";
  Want(shop);
  std::this_thread::sleep_for(milliseconds(200));  // it is asked, and does not answer
  shop.brokers = Brokers();
  secret_ = "answers";
  const auto moving = Clock::now();
  Want(shop);
  EXPECT_LT(Clock::now() - moving, milliseconds(500)) << "nobody waits for the one that hangs";
  EXPECT_TRUE(BecomesReady(shop));
}

TEST(ConnectionTest, TlsAndSaslFromSecretValues) {
  const char* secure = std::getenv("LEVADA_KAFKA_SECURE");
  const char* user = std::getenv("LEVADA_KAFKA_USER");
  const char* password = std::getenv("LEVADA_KAFKA_PASSWORD");
  const char* ca = std::getenv("LEVADA_KAFKA_CA");
  if (secure == nullptr || user == nullptr || password == nullptr || ca == nullptr) {
    GTEST_SKIP() << "LEVADA_KAFKA_SECURE and what belongs to it are not set";
  }
  v1::Pipeline pipeline;
  v1::KafkaConnection& kafka =
      *(*pipeline.mutable_spec()->mutable_connections())["kafka"].mutable_kafka();
  kafka.set_brokers(secure);
  kafka.set_secret_ref("login");
  kafka.set_sasl(v1::SASL_MECHANISM_PLAIN);
  kafka.mutable_tls()->set_ca_file("ca.pem");
  const auto file = [&](const std::string& name) -> absl::StatusOr<std::string> {
    EXPECT_EQ(name, "ca.pem");
    std::ifstream in(ca);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto reach = [&](const std::string& with) {
    const auto config = kafka::ConfigFor(
        pipeline, "",
        [&](const std::string& secret, const std::string& key) -> absl::StatusOr<std::string> {
          EXPECT_EQ(secret, "login");
          return key == "username" ? std::string(user) : with;
        },
        file);
    EXPECT_TRUE(config.ok()) << config.status();
    return (*kafka::Admin::Create(*config, seconds(5)))->WaitForBroker(seconds(5));
  };
  EXPECT_TRUE(reach(password).ok());
  EXPECT_FALSE(reach("wrong").ok());
}

}  // namespace
}  // namespace levada::topics
