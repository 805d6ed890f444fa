// What the pods of a stage look like, when they are rolled, and how.

#include <gmock/gmock.h>

#include "core/base/strings.h"
#include "operator/render/names.h"
#include "operator/render/testing.h"

namespace levada::render {
namespace {

using kube::Json;
using testing::IsSupersetOf;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr char kGate[] = "{name: gate, ingest: {http: {path: /in}, to: orders}}";
constexpr char kScore[] = "{name: score, scoring: {from: orders, to: scored}}";

std::string Archive(std::string_view pod) {
  return base::StrCat("{name: keep, archiving: {from: orders, ndjson: {folder: orders}}", pod, "}");
}

std::vector<std::string> Args(const Json& worker) { return worker["args"]; }

TEST(PodTest, MeetsTheRestrictedProfile) {
  const Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  for (const v1::Stage& stage : scene.pipeline.spec().stages()) {
    const Json spec = scene.PodSpec(stage.name());
    EXPECT_EQ(spec["securityContext"]["runAsNonRoot"], true);
    EXPECT_EQ(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    EXPECT_EQ(spec["automountServiceAccountToken"], false);
    const Json& worker = spec["containers"][0]["securityContext"];
    EXPECT_EQ(worker["allowPrivilegeEscalation"], false);
    EXPECT_EQ(worker["readOnlyRootFilesystem"], true);
    EXPECT_EQ(worker["capabilities"]["drop"], Json::array({"ALL"}));
  }
}

TEST(PodTest, RunsTheSliceWithTheProgramOfItsKind) {
  const Json worker = Scene(OneStage(kScore)).Worker("score");
  EXPECT_EQ(worker["command"], Json::array({"levada-scoring"}));
  EXPECT_THAT(Args(worker), IsSupersetOf({"--pipeline", "/etc/levada/files/slice.yaml", "--stage",
                                          "score", "--http-port", "9600"}));
  EXPECT_THAT(Args(worker), testing::Not(testing::Contains("--instance")));
  EXPECT_THAT(Args(worker), testing::Not(testing::Contains("--secrets")));
  EXPECT_THAT(Args(worker), testing::Not(testing::Contains("--data")));
  EXPECT_EQ(worker["readinessProbe"]["httpGet"]["path"], "/readyz");
  EXPECT_EQ(worker["livenessProbe"]["httpGet"]["path"], "/healthz");
}

TEST(PodTest, AWorkerWithADetectorKnowsWhereOthersFindIt) {
  EXPECT_FALSE(Scene(OneStage(kScore)).Worker("score").contains("env"));
  const auto env_of = [](const std::string& pod) {
    return Scene(
               OneStage("{name: score, scoring: {from: orders, to: scored, serve: {}}" + pod + "}"))
        .Worker("score")["env"];
  };
  const Json own = env_of("");
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0]["name"], "LEVADA_ADVERTISE");
  EXPECT_EQ(own[0]["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
  const Json theirs = env_of(", pod: {env: [{name: LEVADA_ADVERTISE, value: 10.0.0.7}]}");
  ASSERT_EQ(theirs.size(), 1u);
  EXPECT_EQ(theirs[0]["value"], "10.0.0.7");
}

TEST(PodTest, TheImageIsTheStagesTheKindsOrTheOperators) {
  Scene scene(OneStage(kScore));
  scene.settings.image = "levada:1";
  EXPECT_EQ(scene.Worker("score")["image"], "levada:1");
  scene.settings.images["scoring"] = "levada-scoring:1";
  EXPECT_EQ(scene.Worker("score")["image"], "levada-scoring:1");
  scene.pipeline.mutable_spec()->mutable_stages(0)->mutable_pod()->set_image("mine:1");
  EXPECT_EQ(scene.Worker("score")["image"], "mine:1");
}

TEST(PodTest, ItsOwnPortsMakeRoomForThoseOfTheManifest) {
  const Json worker = Scene(OneStage("{name: gate, ingest: {http: {path: /in, port: 9600}, grpc: "
                                     "{port: 9602}, to: orders}}"))
                          .Worker("gate");
  std::map<std::string, int> ports;
  for (const Json& port : worker["ports"]) ports[port["name"]] = port["containerPort"];
  EXPECT_THAT(ports, UnorderedElementsAre(Pair("http", 9600), Pair("grpc", 9602),
                                          Pair("metrics", 9601), Pair("control", 9603)));
}

TEST(PodTest, APortBelow1024NeedsNoRights) {
  const Scene low(OneStage("{name: gate, ingest: {http: {path: /in, port: 80}, to: orders}}"));
  EXPECT_EQ(low.PodSpec("gate")["securityContext"]["sysctls"][0]["name"],
            "net.ipv4.ip_unprivileged_port_start");
  EXPECT_FALSE(Scene(OneStage(kGate)).PodSpec("gate")["securityContext"].contains("sysctls"));
}

TEST(PodTest, WaitsForItsClientsToGoBeforeItEnds) {
  EXPECT_TRUE(Scene(OneStage(kGate)).Worker("gate").contains("lifecycle"));
  EXPECT_FALSE(Scene(OneStage(kScore)).Worker("score").contains("lifecycle"));
  EXPECT_EQ(Scene(OneStage(kScore)).PodSpec("score")["terminationGracePeriodSeconds"], 90);
}

TEST(PodTest, AVariableOfTheManifestReplacesTheOperators) {
  Scene scene(
      OneStage("{name: score, scoring: {from: orders, to: scored}, pod: {env: [{name: "
               "LEVADA_LOG_LEVEL, value: debug}]}}"));
  scene.settings.log_level = "warn";
  const Json env = scene.Worker("score")["env"];
  ASSERT_EQ(env.size(), 1u);
  EXPECT_EQ(env[0]["value"], "debug");
}

TEST(MountsTest, AStageSeesTheSecretsAndFilesOfItsSliceAlone) {
  const Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  EXPECT_THAT(scene.MountPaths("find"),
              UnorderedElementsAre(Pair("slice/slice.yaml", "/etc/levada/files/slice.yaml"),
                                   Pair("file-0/file", "/etc/levada/files/certs/kafka.pem"),
                                   Pair("file-1/file", "/etc/ssl/search.pem"),
                                   Pair("secret-0", "/etc/levada/secrets/kafka-login"),
                                   Pair("secret-1", "/etc/levada/secrets/search-login"),
                                   Pair("tmp", "/tmp")));
}

TEST(MountsTest, AFileOutsideOfTheManifestsFolderIsWhereTheSliceFindsIt) {
  const Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  const auto paths = scene.MountPaths("score");
  EXPECT_EQ(paths.at("slice/slice.yaml"), "/etc/levada/files/_/slice.yaml");
  EXPECT_EQ(paths.at("claim-0/risk/v3/risk.json"), "/etc/levada/files/models/risk.json");
  EXPECT_EQ(paths.at("file-0/file"), "/etc/levada/files/_/certs/kafka.pem");
}

TEST(MountsTest, AFileThatIsFollowedIsMountedWithItsFolderSoThatItCanBeRotated) {
  const Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  EXPECT_EQ(scene.MountPaths("feed").at("claim-0/shop"), "/etc/levada/files/incoming");
  const char* files = "  files: [{path: a/orders.ndjson, claim: in, key: orders.ndjson}]\n";
  const Scene alone(
      OneStage("{name: feed, ingest: {file: {path: a/orders.ndjson}, to: orders}}", files));
  EXPECT_EQ(alone.MountPaths("feed").at("claim-0/orders.ndjson"),
            "/etc/levada/files/a/orders.ndjson")
      << "it is read once";
}

TEST(MountsTest, StateTakesNoMoreOfTheNodesDiskThanItsBound) {
  const auto volume = [](const std::string& state) {
    const Scene scene(
        OneStage("{name: score, scoring: {from: orders, to: scored, steps: [{dedup: {by: [id], "
                 "within: 1h}}]" +
                 state + "}}"));
    const Json pod = scene.PodSpec("score-by-id");
    for (const Json& volume : pod["volumes"]) {
      if (volume["name"] == "state") return volume["emptyDir"]["sizeLimit"].get<std::string>();
    }
    return std::string();
  };
  EXPECT_EQ(volume(""), "10Gi");
  EXPECT_EQ(volume(", state: {memory: 8Gi}"), "32Gi") << "four times the memory";
  EXPECT_EQ(volume(", state: {memory: 8Gi, disk: 20Gi}"), "20Gi");
  EXPECT_EQ(volume(", state: {disk: 5G}"), "5000000000");
  EXPECT_EQ(volume(", state: {disk: 1.5Gi}"), "1536Mi");
}

TEST(MountsTest, OnlyTheInitContainerHasTheKeysOfBuckets) {
  const Scene scene = Scene::OfFile("operator/render/testdata/bucket-files.yaml");
  const std::string fetched =
      pipeline::FetchedName(scene.pipeline, scene.pipeline.spec().files(1).s3());
  EXPECT_THAT(scene.MountPaths("score"),
              UnorderedElementsAre(Pair("slice/slice.yaml", "/etc/levada/files/slice.yaml"),
                                   Pair("fetched/" + fetched, "/etc/levada/files/models/risk.json"),
                                   Pair("tmp", "/tmp")));
  const Json fetch = scene.PodSpec("score")["initContainers"][0];
  std::set<std::string> volumes;
  for (const Json& mount : fetch["volumeMounts"]) volumes.insert(mount["name"]);
  EXPECT_THAT(volumes, UnorderedElementsAre("slice", "file-0", "secret-0", "fetched"));
  EXPECT_EQ(fetch["securityContext"], scene.Worker("score")["securityContext"]);
  EXPECT_FALSE(scene.PodSpec("find").contains("initContainers"));
}

TEST(RollTest, AnotherObjectRollsTheStagesThatNameTheFile) {
  Scene scene = Scene::OfFile("operator/render/testdata/bucket-files.yaml");
  const Json score = scene.PodAnnotations("score");
  const Json feed = scene.PodAnnotations("feed");
  scene.pipeline.mutable_spec()->mutable_files(1)->mutable_s3()->set_key("risk/8.json");
  EXPECT_NE(scene.PodAnnotations("score"), score);
  EXPECT_EQ(scene.PodAnnotations("feed"), feed);
}

TEST(StrategyTest, NothingRunsTwiceThatWouldDoubleRecords) {
  const auto type = [](const std::string& stage, const char* name) {
    return Scene(OneStage(stage)).Deployment(name)["spec"]["strategy"]["type"].get<std::string>();
  };
  EXPECT_EQ(type(kGate, "gate"), "RollingUpdate");
  EXPECT_EQ(type(kScore, "score"), "RollingUpdate");
  EXPECT_EQ(type("{name: feed, ingest: {file: {path: a}, to: orders}}", "feed"), "Recreate");
  EXPECT_EQ(
      type("{name: feed, ingest: {schedule: {every: 1s, generator: fraud}, to: orders}}", "feed"),
      "Recreate");
  EXPECT_EQ(type(Archive(""), "keep"), "Recreate");
  EXPECT_EQ(type(Archive(", pod: {volume: {claim: lake}}"), "keep"), "Recreate");
  EXPECT_EQ(type(Archive(", pod: {volume: {accessMode: ReadWriteMany}}"), "keep"), "RollingUpdate");
}

TEST(StrategyTest, TheOldWorkersRunUntilTheNewOnesAreReady) {
  const Json strategy = Scene(OneStage(kScore)).Deployment("score")["spec"]["strategy"];
  EXPECT_EQ(strategy["rollingUpdate"]["maxUnavailable"], 0);
}

TEST(ReplicasTest, AreDecidedGivenOrSomebodyElses) {
  Scene scene(OneStage(kScore));
  EXPECT_FALSE(scene.Deployment("score")["spec"].contains("replicas")) << "kubectl scale, HPA";
  v1::Stage* stage = scene.pipeline.mutable_spec()->mutable_stages(0);
  stage->set_replicas(3);
  EXPECT_EQ(scene.Deployment("score")["spec"]["replicas"], 3);
  scene.facts.replicas["score"] = 5;
  EXPECT_EQ(scene.Deployment("score")["spec"]["replicas"], 5);
  scene.pipeline.mutable_spec()->set_paused(true);
  EXPECT_EQ(scene.Deployment("score")["spec"]["replicas"], 0);
}

TEST(ReplicasTest, AFileHasOneReaderWhateverIsAsked) {
  Scene scene(OneStage("{name: feed, ingest: {file: {path: a}, to: orders}}"));
  EXPECT_EQ(scene.Deployment("feed")["spec"]["replicas"], 1) << "nobody scales it";
  scene.facts.replicas["feed"] = 4;
  EXPECT_EQ(scene.Deployment("feed")["spec"]["replicas"], 1);
  scene.facts.replicas["feed"] = 0;
  EXPECT_EQ(scene.Deployment("feed")["spec"]["replicas"], 0);
}

TEST(RollTest, OnlyTheStageWhoseSliceChangedIsRolled) {
  const char* second =
      "  - {name: find, notify: {from: scored, webhook: {via: hook, subject: S}}}\n"
      "  connections: {hook: {webhook: {url: \"https://example.com\"}}}\n";
  const Scene before(OneStage(kScore, second));
  const Scene after(
      OneStage("{name: score, scoring: {from: orders, to: scored, commitInterval: 1s}}", second));
  EXPECT_NE(before.PodAnnotations("score"), after.PodAnnotations("score"));
  EXPECT_EQ(before.Deployment("find"), after.Deployment("find"));
}

TEST(RollTest, ASecretThatIsRotatedRollsTheStagesThatUseIt) {
  Scene scene = Scene::OfFile("operator/render/testdata/every-field.yaml");
  const Json find = scene.PodAnnotations("find");
  const Json call = scene.PodAnnotations("call");
  scene.facts.versions[{Input::Kind::kSecret, "search-login"}] = "2";
  EXPECT_NE(scene.PodAnnotations("find"), find);
  EXPECT_EQ(scene.PodAnnotations("call"), call);
}

TEST(RollTest, ANewModelRollsTheStageThatScoresWithIt) {
  const char* files = "  files: [{path: risk.json, configMap: risk}]\n";
  Scene scene(
      OneStage("{name: score, scoring: {from: orders, to: scored, "
               "steps: [{model: {xgboost: risk.json, inputs: [amount]}}]}}",
               files));
  const Json before = scene.PodAnnotations("score");
  scene.facts.versions[{Input::Kind::kConfigMap, "risk"}] = "2";
  EXPECT_NE(scene.PodAnnotations("score"), before);
}

TEST(RollTest, TheNonceRollsAllAndScalingNone) {
  Scene scene(OneStage(kScore));
  const Json before = scene.Deployment("score")["spec"]["template"];
  scene.facts.replicas["score"] = 4;
  scene.facts.has_pod_monitors = false;
  scene.pipeline.mutable_spec()->set_paused(true);
  scene.pipeline.mutable_spec()->mutable_topics(0)->set_partitions(12);
  EXPECT_EQ(scene.Deployment("score")["spec"]["template"], before);
  scene.pipeline.mutable_spec()->set_restart_nonce(1);
  EXPECT_NE(scene.Deployment("score")["spec"]["template"], before);
}

TEST(RollTest, TheSelectorNeverChanges) {
  Scene scene(OneStage(kScore));
  const Json selector = {{"levada.dev/pipeline", "shop"}, {"levada.dev/stage", "score"}};
  EXPECT_EQ(scene.Deployment("score")["spec"]["selector"]["matchLabels"], selector);
}

}  // namespace
}  // namespace levada::render
