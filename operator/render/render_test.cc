#include "operator/render/render.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"
#include "operator/render/names.h"
#include "operator/render/testing.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kGate[] = "{name: gate, ingest: {http: {path: /in}, grpc: {}, to: orders}}";
constexpr char kScore[] = "{name: score, scoring: {from: orders, to: scored}}";
constexpr char kKeep[] = "{name: keep, archiving: {from: orders, ndjson: {folder: orders}}}";

std::vector<std::string> NamesOf(const std::vector<Json>& objects, std::string_view kind) {
  std::vector<std::string> names;
  for (const Json& object : objects) {
    if (object["kind"] == kind) names.push_back(kube::NameOf(object));
  }
  return names;
}

TEST(NamesTest, AreThePipelinesAndTheStages) {
  EXPECT_EQ(ObjectName("fraud-prevention", "detect"), "fraud-prevention-detect");
  EXPECT_EQ(SharedName("fraud-prevention"), "fraud-prevention-levada");
}

TEST(NamesTest, AreCutToADnsLabelAndStayDifferent) {
  const std::string pipeline(63, 'p');
  const std::string one = ObjectName(pipeline, "stage-one");
  EXPECT_EQ(one.size(), 63u);
  EXPECT_NE(one, ObjectName(pipeline, "stage-two"));
  EXPECT_EQ(one, ObjectName(pipeline, "stage-one"));
  // The cut falls on a hyphen: there are never two.
  const std::string hyphen = ObjectName(std::string(53, 'p') + "-x", std::string(20, 's'));
  EXPECT_EQ(hyphen.find("--"), hyphen.npos) << hyphen;
  EXPECT_EQ(ObjectName(std::string(31, 'p'), std::string(31, 's')).size(), 63u) << "just fits";
}

TEST(NamesTest, BeginWithALetterAsThoseOfServicesMust) {
  EXPECT_EQ(ObjectName("3d-prints", "gate"), "p3d-prints-gate");
}

SharedKafka KafkaWithCa(const std::string& ca) {
  SharedKafka kafka;
  kafka.connection.set_brokers("kafka.streams:9093");
  kafka.connection.set_secret_ref("levada-kafka");
  kafka.connection.mutable_tls();
  kafka.ca = ca;
  return kafka;
}

TEST(CompleteTest, APipelineWithoutKafkaGetsTheInstallations) {
  Scene scene(OneStage(kScore));
  scene.settings.kafka = KafkaWithCa("PEM");
  const std::string slice = scene.Object(
      "ConfigMap", "shop-score-" + scene.plan().stages[0].slice_hash)["data"]["slice.yaml"];
  EXPECT_THAT(slice, testing::HasSubstr("brokers: kafka.streams:9093"));
  EXPECT_THAT(slice, testing::HasSubstr("caFile: levada.dev/kafka-ca.pem"));
  EXPECT_EQ(scene.MountPaths("score")["file-0/file"], "/etc/levada/files/levada.dev/kafka-ca.pem");
  EXPECT_EQ(scene.MountPaths("score")["secret-0"], "/etc/levada/secrets/levada-kafka");
  // The Secret is waited for and followed; the copy of the CA is the operator's own.
  EXPECT_THAT(InputsOf(scene.plan()), ElementsAre(Input{Input::Kind::kSecret, "levada-kafka"}));
}

TEST(CompleteTest, TheInstallationsCaIsGivenToThePipelineAndAnotherOneRollsIt) {
  Scene scene(OneStage(kScore));
  const auto ca_of = [&](const std::string& ca) {
    scene.settings.kafka = KafkaWithCa(ca);
    return scene.PodSpec("score")["volumes"][1]["configMap"]["name"].get<std::string>();
  };
  const std::string first = ca_of("PEM");
  const Json object = scene.Object("ConfigMap", first);
  EXPECT_EQ(object["data"]["kafka-ca.pem"], "PEM");
  EXPECT_EQ(object["immutable"], true);
  EXPECT_NE(ca_of("other PEM"), first);
  // Older pods have it mounted still.
  const Json replica_set = {
      {"kind", "ReplicaSet"},
      {"spec", {{"template", {{"spec", {{"volumes", {{{"configMap", {{"name", first}}}}}}}}}}}}};
  EXPECT_THAT(Leftovers(scene.Objects(), {object, replica_set}), IsEmpty());
  EXPECT_THAT(Leftovers(scene.Objects(), {object}), ElementsAre(object));
}

TEST(CompleteTest, APipelinesOwnKafkaStands) {
  Scene scene(OneStage(kScore, "  connections: {kafka: {kafka: {brokers: \"own:9092\"}}}\n"));
  const size_t objects = scene.Objects().size();
  scene.settings.kafka = KafkaWithCa("PEM");
  EXPECT_EQ(scene.Objects().size(), objects);
  Complete(scene.settings, &scene.pipeline);
  EXPECT_EQ(scene.pipeline.spec().connections().at("kafka").kafka().brokers(), "own:9092");
  EXPECT_EQ(scene.pipeline.spec().files_size(), 0);
}

TEST(InputsTest, AreTheSecretsAndConfigMapsThatAStageCanSee) {
  const Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  const pipeline::Plan plan = scene.plan();
  const auto names = [&](size_t i) {
    std::vector<std::string> out;
    for (const Input& input : InputsOf(plan, plan.stages[i])) out.push_back(input.name);
    return out;
  };
  EXPECT_THAT(names(0), UnorderedElementsAre("kafka-login", "kafka-ca", "door-tls", "region",
                                             "token", "proxy", "more"));
  EXPECT_THAT(names(3), UnorderedElementsAre("kafka-login", "kafka-ca")) << "of score";
  EXPECT_THAT(names(4),
              UnorderedElementsAre("kafka-login", "kafka-ca", "search-login", "search-ca"));
}

TEST(InputsTest, MissingAreThoseWithoutWhichPodsDoNotStart) {
  Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  scene.facts.versions.erase({Input::Kind::kSecret, "door-tls"});
  scene.facts.versions.erase({Input::Kind::kConfigMap, "proxy"});
  scene.facts.versions.erase({Input::Kind::kSecret, "token"});  // optional
  const pipeline::Plan plan = scene.plan();
  EXPECT_THAT(MissingInputs(plan, plan.stages[0], scene.facts),
              ElementsAre("ConfigMap proxy", "Secret door-tls"));
  EXPECT_THAT(MissingInputs(plan, plan.stages[1], scene.facts), IsEmpty());
}

TEST(RenderTest, AServiceIsWhereClientsGo) {
  const Json service = Scene(OneStage(kGate)).Object("Service", "shop-gate");
  const Json& ports = service["spec"]["ports"];
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0]["port"], 8080);
  EXPECT_EQ(ports[1]["appProtocol"], "kubernetes.io/h2c");
  EXPECT_EQ(service["spec"]["selector"],
            Json({{"levada.dev/pipeline", "shop"}, {"levada.dev/stage", "gate"}}));
  EXPECT_TRUE(Scene(OneStage(kScore)).Object("Service", "shop-score").is_null());
  const Scene detector(OneStage("{name: score, scoring: {from: orders, to: scored, serve: {}}}"));
  EXPECT_EQ(detector.Object("Service", "shop-score")["spec"]["ports"][1]["port"], 9091);
}

TEST(RenderTest, OnlyTheOperatorReachesControlAndEverybodyTheFrontDoor) {
  Scene scene(OneStage(kGate));
  Json rules = scene.Object("NetworkPolicy", "shop-gate")["spec"]["ingress"];
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_FALSE(rules[0].contains("from"));
  EXPECT_EQ(rules[0]["ports"].size(), 2u);
  EXPECT_EQ(rules[2]["ports"][0]["port"], "control");
  EXPECT_EQ(rules[2]["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
            "levada-system");

  scene.settings.metrics_from = {{{"namespaceSelector", Json::object()}}};
  rules = scene.Object("NetworkPolicy", "shop-gate")["spec"]["ingress"];
  EXPECT_EQ(rules[1]["from"], scene.settings.metrics_from);
  scene.settings.network_policies = false;
  EXPECT_TRUE(scene.Object("NetworkPolicy", "shop-gate").is_null());
}

TEST(RenderTest, WorkersReachEachOthersDetectors) {
  const Scene scene(OneStage("{name: score, scoring: {from: orders, to: scored, serve: {}}}"));
  const Json front = scene.Object("NetworkPolicy", "shop-score")["spec"]["ingress"][0];
  EXPECT_FALSE(front.contains("from")) << "pods of the stage are among everybody";
  EXPECT_EQ(front["ports"][1]["port"], "grpc");
}

TEST(RenderTest, ABudgetIsThereWhereThereMayBeSeveralWorkers) {
  const auto has_budget = [](const std::string& stage) {
    return !Scene(OneStage(stage)).Object("PodDisruptionBudget", "shop-score").is_null();
  };
  EXPECT_TRUE(has_budget("{name: score, scoring: {from: orders, to: scored}}"));
  EXPECT_TRUE(has_budget("{name: score, replicas: 2, scoring: {from: orders, to: scored}}"));
  EXPECT_FALSE(has_budget("{name: score, replicas: 1, scoring: {from: orders, to: scored}}"));
  EXPECT_TRUE(has_budget("{name: score, autoscaling: {}, scoring: {from: orders, to: scored}}"));
  EXPECT_FALSE(
      has_budget("{name: score, ingest: {schedule: {every: 1s, generator: fraud}, to: orders}}"));
}

TEST(RenderTest, AVolumeOutlivesThePipelineUnlessItsPolicySaysDelete) {
  const Json kept = Scene(OneStage(kKeep)).Object("PersistentVolumeClaim", "shop-keep");
  EXPECT_FALSE(kept["metadata"].contains("ownerReferences"));
  EXPECT_EQ(kept["spec"]["resources"]["requests"]["storage"], "10Gi");
  EXPECT_EQ(kept["spec"]["accessModes"], Json::array({"ReadWriteOnce"}));
  EXPECT_FALSE(kept["spec"].contains("storageClassName")) << "the cluster's default";
  const Json deleted = Scene(OneStage(kKeep, "  deletionPolicy: Delete\n"))
                           .Object("PersistentVolumeClaim", "shop-keep");
  EXPECT_EQ(kube::OwnerUidsOf(deleted).size(), 1u);
}

TEST(RenderTest, AClaimThatIsThereIsMountedAndNoneIsMade) {
  const Scene scene(
      OneStage("{name: keep, archiving: {from: orders, ndjson: {folder: orders}}, pod: {volume: "
               "{claim: lake}}}"));
  EXPECT_THAT(NamesOf(scene.Objects(), "PersistentVolumeClaim"), IsEmpty());
  EXPECT_EQ(scene.MountPaths("keep")["claim-0"], "/var/lib/levada");
}

TEST(RenderTest, MonitoringIsMadeWhereSomebodyReadsIt) {
  Scene scene(OneStage(kScore));
  scene.settings.monitor_labels = {{"release", "prometheus"}};
  EXPECT_EQ(kube::LabelOf(scene.Object("PodMonitor", "shop-levada"), "release"), "prometheus");
  EXPECT_FALSE(scene.Object("ConfigMap", "shop-levada-dashboard").is_null());
  scene.settings.pod_monitors = scene.settings.alerts = false;
  EXPECT_THAT(NamesOf(scene.Objects(), "PodMonitor"), IsEmpty());
  EXPECT_THAT(NamesOf(scene.Objects(), "PrometheusRule"), IsEmpty());
  scene.settings.pod_monitors = scene.settings.alerts = true;
  scene.facts.has_pod_monitors = scene.facts.has_prometheus_rules = false;
  scene.settings.dashboards = false;
  EXPECT_THAT(NamesOf(scene.Objects(), "PodMonitor"), IsEmpty());
  EXPECT_THAT(NamesOf(scene.Objects(), "PrometheusRule"), IsEmpty());
  EXPECT_TRUE(scene.Object("ConfigMap", "shop-levada-dashboard").is_null());
}

TEST(RenderTest, AStageThatMayStandStillRaisesNoAlertForIt) {
  const auto alerts = [](const std::string& stage, const std::string& more = "") {
    size_t missing = 0;
    const Json rule = Scene(OneStage(stage, more)).Object("PrometheusRule", "shop-levada");
    for (const Json& alert : rule["spec"]["groups"][0]["rules"]) {
      missing += alert["alert"] == "LevadaStageMissing" ? 1 : 0;
    }
    return missing;
  };
  EXPECT_EQ(alerts(kScore), 1u);
  EXPECT_EQ(alerts(kScore, "  paused: true\n"), 0u);
  EXPECT_EQ(alerts("{name: a, replicas: 0, scoring: {from: orders, to: scored}}"), 0u);
  EXPECT_EQ(alerts("{name: a, autoscaling: {minReplicas: 0}, scoring: {from: orders, to: scored}}"),
            0u);
}

TEST(RenderTest, ADashboardOfTheLargestPipelineFitsIntoAConfigMap) {
  std::string stages;
  for (int i = 1; i < 128; ++i) {
    base::StrAppend(&stages, "  - {name: s", i, ", ingest: {http: {path: /a, port: ", 1000 + 2 * i,
                    "}, to: orders}}\n");
  }
  const Json dashboard =
      Scene(OneStage(kScore, stages)).Object("ConfigMap", "shop-levada-dashboard");
  EXPECT_LT(dashboard.dump().size(), 1u << 20);
}

TEST(LeftoversTest, AreTheObjectsOfAStageThatIsGone) {
  const std::vector<Json> before =
      Scene(OneStage(kGate, base::StrCat("  - ", kKeep, "\n"))).Objects();
  const std::vector<Json> after = Scene(OneStage(kKeep)).Objects();
  const std::vector<Json> left = Leftovers(after, before);
  EXPECT_THAT(NamesOf(left, "Deployment"), ElementsAre("shop-gate"));
  EXPECT_THAT(NamesOf(left, "Service"), ElementsAre("shop-gate"));
  EXPECT_THAT(NamesOf(left, "NetworkPolicy"), ElementsAre("shop-gate"));
  EXPECT_THAT(NamesOf(left, "PodDisruptionBudget"), ElementsAre("shop-gate"));
  EXPECT_EQ(NamesOf(left, "ConfigMap").size(), 1u) << "its slice";
  EXPECT_THAT(Leftovers(before, before), IsEmpty());
}

TEST(LeftoversTest, AVolumeIsNeverOne) {
  const std::vector<Json> before = Scene(OneStage(kKeep, "  deletionPolicy: Delete\n")).Objects();
  const std::vector<Json> left = Leftovers(Scene(OneStage(kGate)).Objects(), before);
  EXPECT_THAT(NamesOf(left, "PersistentVolumeClaim"), IsEmpty());
}

TEST(LeftoversTest, AVolumeOfAStageThatIsGoneIsLetGoUnlessThePolicySaysDelete) {
  const std::vector<Json> owned = Scene(OneStage(kKeep, "  deletionPolicy: Delete\n")).Objects();
  const Scene retains(OneStage(kGate));
  EXPECT_THAT(NamesOf(Released(retains.plan(), retains.Objects(), owned), "PersistentVolumeClaim"),
              ElementsAre("shop-keep"));
  const Scene deletes(OneStage(kGate, "  deletionPolicy: Delete\n"));
  EXPECT_THAT(Released(deletes.plan(), deletes.Objects(), owned), IsEmpty());
  const Scene has_it(OneStage(kKeep));
  EXPECT_THAT(Released(has_it.plan(), has_it.Objects(), owned), IsEmpty()) << "Apply does it";
}

TEST(LeftoversTest, ASliceIsKeptAsLongAsAReplicaSetMountsIt) {
  const Scene old_scene(OneStage(kScore));
  const Scene new_scene(
      OneStage("{name: score, scoring: {from: orders, to: scored, delivery: atLeastOnce}}"));
  std::vector<Json> owned = old_scene.Objects();
  EXPECT_EQ(NamesOf(Leftovers(new_scene.Objects(), owned), "ConfigMap").size(), 1u);
  Json replica_set = old_scene.Deployment("score");
  replica_set["kind"] = "ReplicaSet";
  owned.push_back(replica_set);
  EXPECT_THAT(Leftovers(new_scene.Objects(), owned), IsEmpty());
}

}  // namespace
}  // namespace levada::render
