#include "operator/render/tests.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_join.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/pipeline/resource_json.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"
#include "operator/kube/conditions.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"
#include "operator/render/volumes.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

constexpr char kName[] = "levada-tests";
constexpr char kContainer[] = "tests";
constexpr char kManifest[] = "tests.yaml";
// Of the Job with all that its pods wait for. Tests take milliseconds, and what hangs in one is
// given up by `levada test`.
constexpr int kDeadlineSeconds = 600;
constexpr int kRetries = 2;
// What has failed for a reason outside is tried again after so long.
constexpr int64_t kAgainAfterMicros = 600'000'000;
// Of a ConfigMap, 1 MiB with all that is in it.
constexpr size_t kMostBytes = (1 << 20) - (16 << 10);

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The manifest as its author wrote it, without what changes no result: a pipeline that is scaled is
// not tested again. Its files are mounted, not fetched by the tests.
Json ManifestOf(const Json& live) {
  Json spec = Json::object();
  for (const char* key : {"connections", "topics", "stages", "deadLetters", "tests"}) {
    if (live["spec"].contains(key)) spec[key] = live["spec"][key];
  }
  for (Json& stage : spec["stages"]) {
    for (const char* key : {"replicas", "autoscaling", "pod"}) stage.erase(key);
  }
  return {{"apiVersion", live["apiVersion"]},
          {"kind", live["kind"]},
          {"metadata", {{"name", kube::NameOf(live)}, {"namespace", kube::NamespaceOf(live)}}},
          {"spec", std::move(spec)}};
}

// All stages that run in a test as if they were one: what their files are, and which of those come
// from buckets. Connections are not opened, so that only the keys of buckets are needed, and those
// by levada-fetch alone.
pipeline::PlannedStage AllStages(const pipeline::Plan& plan) {
  pipeline::PlannedStage all{.name = kName, .service = "levada"};
  all.slice = plan.pipeline;
  v1::PipelineSpec& spec = *all.slice.mutable_spec();
  spec.clear_connections();
  spec.clear_files();
  for (v1::Stage& stage : *spec.mutable_stages()) stage.clear_ingest();  // it does not run
  for (const v1::MountedFile& file : FilesOf(plan, all)) {
    if (!file.has_s3()) continue;
    *spec.add_files() = file;
    const auto connection = plan.pipeline.spec().connections().find(file.s3().via());
    if (connection == plan.pipeline.spec().connections().end()) continue;
    (*spec.mutable_connections())[connection->first] = connection->second;
  }
  return all;
}

// The same manifest for levada-fetch, with the files that it is to fetch.
Json FetchManifestOf(Json manifest, const Json& live, const pipeline::PlannedStage& all) {
  manifest["spec"].erase("tests");
  const Json* files = kube::Find(live, {"spec", "files"});
  if (files == nullptr || !files->is_array()) return manifest;
  for (const Json& file : *files) {
    const auto& wanted = all.slice.spec().files();
    if (std::any_of(wanted.begin(), wanted.end(), [&](const v1::MountedFile& each) {
          return each.path() == kube::TextAt(file, {"path"});
        })) {
      manifest["spec"]["files"].push_back(file);
    }
  }
  return manifest;
}

// What the files are that they read.
std::set<Input> FilesOfTests(const pipeline::Plan& plan, const pipeline::PlannedStage& all) {
  std::set<Input> inputs;
  for (const Reader reader : {Reader::kWorker, Reader::kFetch}) {
    for (const v1::MountedFile& file : FilesOf(plan, all, reader)) {
      if (!file.secret().empty()) inputs.insert({Input::Kind::kSecret, file.secret()});
      if (!file.config_map().empty()) inputs.insert({Input::Kind::kConfigMap, file.config_map()});
    }
  }
  return inputs;
}

// The keys of the buckets that files come from.
std::set<Input> KeysOfTests(const pipeline::PlannedStage& all) {
  std::set<Input> inputs;
  for (const std::string& secret : SecretsOf(all, Reader::kFetch)) {
    inputs.insert({Input::Kind::kSecret, secret});
  }
  return inputs;
}

std::string NameOf(const Input& input) {
  return base::StrCat(input.kind == Input::Kind::kSecret ? "Secret " : "ConfigMap ", input.name);
}

// What the tests name as `file:` and `spec.files` does not have.
std::vector<std::string> FilesNowhere(const v1::PipelineSpec& spec) {
  std::set<std::string> named;
  for (const v1::Test& test : spec.tests()) {
    pipeline::VisitTexts(test, "",
                         [&](const std::string&, const google::protobuf::FieldDescriptor& field,
                             const std::string& text) {
                           if (pipeline::RulesOf(field).format() == v1::FILE) named.insert(text);
                         });
  }
  for (const v1::MountedFile& file : spec.files()) named.erase(file.path());
  return {named.begin(), named.end()};
}

// All stages are in it, each with what it loads.
Json ResourcesOf(const Settings& settings) {
  const Json own = Json::parse(pipeline::ToJson(settings.test_resources));
  if (!own.empty()) return own;
  return {{"requests", {{"cpu", "100m"}, {"memory", "256Mi"}}}, {"limits", {{"memory", "2Gi"}}}};
}

Json Container(const Settings& settings, std::string_view name, Json command, Json mounts) {
  Json container = {{"name", name},
                    {"image", settings.image},
                    {"command", std::move(command)},
                    {"volumeMounts", std::move(mounts)},
                    {"resources", ResourcesOf(settings)},
                    {"securityContext",
                     {{"allowPrivilegeEscalation", false},
                      {"readOnlyRootFilesystem", true},
                      {"capabilities", {{"drop", Json::array({"ALL"})}}}}},
                    // What it said last is why nothing is rolled.
                    {"terminationMessagePolicy", "FallbackToLogsOnError"}};
  if (!settings.image_pull_policy.empty()) {
    container["imagePullPolicy"] = settings.image_pull_policy;
  }
  return container;
}

// What all stages ask of nodes, an architecture say, the tests ask too. They bear what any stage
// does.
void AddScheduling(const v1::PipelineSpec& spec, Json* pod) {
  Json selector;
  Json tolerations = Json::array();
  for (const v1::Stage& stage : spec.stages()) {
    const Json settings = Json::parse(pipeline::ToJson(stage.pod()));
    const Json own = settings.value("nodeSelector", Json::object());
    if (selector.is_null()) selector = own;
    for (auto at = selector.begin(); at != selector.end();) {
      at = own.contains(at.key()) && own[at.key()] == at.value() ? std::next(at)
                                                                 : selector.erase(at);
    }
    for (const Json& toleration : settings.value("tolerations", Json::array())) {
      if (std::find(tolerations.begin(), tolerations.end(), toleration) == tolerations.end()) {
        tolerations.push_back(toleration);
      }
    }
  }
  if (!selector.empty()) (*pod)["nodeSelector"] = selector;
  if (!tolerations.empty()) (*pod)["tolerations"] = tolerations;
}

Json PodSpec(const StageView& all, const Mounts& mounts) {
  const Settings& settings = all.world.settings;
  const std::string manifest = std::filesystem::path(mounts.slice).replace_filename(kManifest);
  Json own_mounts = mounts.mounts;
  own_mounts.push_back(
      {{"name", "slice"}, {"mountPath", manifest}, {"subPath", kManifest}, {"readOnly", true}});
  const Json command =
      Json::array({"levada", "test", "--require", "--summary", "/dev/termination-log", manifest});
  Json spec = {{"restartPolicy", "Never"},
               {"terminationGracePeriodSeconds", 1},  // it has nothing to end in order
               {"automountServiceAccountToken", false},
               {"enableServiceLinks", false},
               {"securityContext",
                {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
               {"containers", Json::array({Container(settings, kContainer, command, own_mounts)})},
               {"volumes", mounts.volumes}};
  spec["containers"][0]["workingDir"] = "/tmp";
  if (settings.user_id != 0) {
    for (const char* key : {"runAsUser", "runAsGroup", "fsGroup"}) {
      spec["securityContext"][key] = settings.user_id;
    }
  }
  if (!mounts.fetch_mounts.empty()) {
    Json fetch = Json::array({"levada-fetch", "--pipeline", mounts.slice, "--to", kFetchedFolder});
    if (!SecretsOf(all.planned, Reader::kFetch).empty()) {
      fetch.push_back("--secrets");
      fetch.push_back(kSecretsFolder);
    }
    spec["initContainers"] =
        Json::array({Container(settings, "fetch", fetch, mounts.fetch_mounts)});
  }
  if (!settings.image_pull_secrets.empty()) {
    spec["imagePullSecrets"] = settings.image_pull_secrets;
  }
  AddScheduling(all.world.plan.pipeline.spec(), &spec);
  return spec;
}

// A test that has failed fails again; a node that goes away says nothing about the tests.
Json FailurePolicy() {
  const Json failed = {
      {"action", "FailJob"},
      {"onExitCodes",
       {{"containerName", kContainer}, {"operator", "In"}, {"values", Json::array({1, 2})}}}};
  const Json disrupted = {
      {"action", "Ignore"},
      {"onPodConditions", Json::array({{{"type", "DisruptionTarget"}, {"status", "True"}}})}};
  return {{"rules", Json::array({failed, disrupted})}};
}

Json LabelsOf(const World& world) {
  return {{"app.kubernetes.io/name", kName},
          {"app.kubernetes.io/instance", world.pipeline()},
          {"app.kubernetes.io/part-of", "levada"},
          {std::string(kTestsLabel), world.pipeline()}};
}

Json NewTestsObject(const kube::Resource& resource, const World& world, const std::string& name) {
  Json object = NewObject(resource, world, name);
  object["metadata"]["labels"][std::string(kTestsLabel)] = world.pipeline();
  return object;
}

Json RenderJob(const StageView& all) {
  const Json spec = {
      {"activeDeadlineSeconds", kDeadlineSeconds},
      {"backoffLimit", kRetries},
      {"podFailurePolicy", FailurePolicy()},
      {"template",
       {{"metadata", {{"labels", LabelsOf(all.world)}}}, {"spec", PodSpec(all, MountsOf(all))}}}};
  // A Job's template cannot be changed: what differs in anything is another Job.
  const std::string name = base::StrCat(kName, "-", ShortHash(spec.dump()));
  Json job = NewTestsObject(kube::kJobs, all.world, ObjectName(all.world.pipeline(), name));
  job["spec"] = spec;
  return job;
}

// Nobody calls the tests, and they call nobody but the buckets that their files come from.
Json RenderPolicy(const StageView& all) {
  Json types = Json::array({"Ingress"});
  if (all.planned.slice.spec().files().empty()) types.push_back("Egress");
  Json object = NewTestsObject(kube::kNetworkPolicies, all.world, all.object_name);
  object["spec"] = {
      {"podSelector", {{"matchLabels", {{std::string(kTestsLabel), all.world.pipeline()}}}}},
      {"policyTypes", types}};
  return object;
}

const Json* TrueCondition(const Json& job, std::string_view type) {
  const Json* conditions = kube::Find(job, {"status", "conditions"});
  const Json* found = conditions == nullptr ? nullptr : kube::FindCondition(*conditions, type);
  return found != nullptr && kube::TextAt(*found, {"status"}) == "True" ? found : nullptr;
}

// `job` has the name that stands for what is to be tested now.
void Judge(const Json& job, int64_t now_micros, Tests* tests) {
  tests->job_uid = kube::UidOf(job);
  if (kube::IsBeingDeleted(job)) return;
  if (TrueCondition(job, "Complete") != nullptr) {
    tests->outcome = Tests::Outcome::kPassed;
    return;
  }
  const Json* failed = TrueCondition(job, "Failed");
  if (failed == nullptr) return;
  tests->outcome = Tests::Outcome::kFailed;
  const std::string reason = kube::TextAt(*failed, {"reason"});
  tests->why = kube::TextAt(*failed, {"message"});
  // A test has failed: it would again.
  if (reason == "PodFailurePolicy") return;
  if (reason == "DeadlineExceeded") {
    tests->why = base::StrCat("they have not ended within ", kDeadlineSeconds, " s");
  } else if (reason == "BackoffLimitExceeded") {
    tests->why = base::StrCat("their pod has failed ", kRetries + 1, " times");
  }
  const auto since = base::ParseTimestamp(kube::TextAt(*failed, {"lastTransitionTime"}));
  tests->again_micros = since.value_or(now_micros) + kAgainAfterMicros;
  if (*tests->again_micros > now_micros) return;
  // As long as it is not wanted it is a leftover; once it is gone, it is wanted again.
  *tests = {.outcome = Tests::Outcome::kRunning,
            .hold = tests->hold,
            .count = tests->count,
            .job = tests->job,
            .objects = std::move(tests->objects)};
  tests->objects.pop_back();
}

}  // namespace

std::set<Input> InputsOfTests(const pipeline::Plan& plan) {
  if (plan.pipeline.spec().tests_size() == 0) return {};
  const pipeline::PlannedStage all = AllStages(plan);
  std::set<Input> inputs = FilesOfTests(plan, all);
  inputs.merge(KeysOfTests(all));
  return inputs;
}

Tests DecideTests(const pipeline::Plan& plan, const Json& live, const Settings& settings,
                  const Facts& facts, const std::vector<Json>& jobs, int64_t now_micros) {
  Tests tests;
  tests.count = plan.pipeline.spec().tests_size();
  if (tests.count == 0) return tests;
  const World world{plan, live, settings, facts};
  tests.hold = !world.paused();
  const auto fail = [&](std::string why) {
    tests.outcome = Tests::Outcome::kFailed;
    tests.why = std::move(why);
    return tests;
  };
  if (const std::vector<std::string> files = FilesNowhere(plan.pipeline.spec()); !files.empty()) {
    return fail(base::StrCat("spec.files does not say where the tests' ",
                             absl::StrJoin(files, ", "), " comes from: add {path: ", files[0],
                             ", configMap: …}"));
  }
  pipeline::PlannedStage all = AllStages(plan);
  std::vector<std::string> missing;
  for (const Input& input : InputsOfTests(plan)) {
    if (!facts.versions.contains(input)) missing.push_back(NameOf(input));
  }
  if (!missing.empty()) {
    tests.outcome = Tests::Outcome::kWaiting;
    tests.why = base::StrCat("the tests wait for ", absl::StrJoin(missing, ", "),
                             ": make it in the namespace of the pipeline");
    return tests;
  }
  const Json manifest = ManifestOf(live);
  const Json data = {{kManifest, Dump(manifest)},
                     {"slice.yaml", Dump(FetchManifestOf(manifest, live, all))}};
  if (const size_t bytes = Dump(data).size(); bytes > kMostBytes) {
    return fail(base::StrCat("the manifest with its tests has ", bytes, " bytes, of which ",
                             kMostBytes, " fit into a ConfigMap: put the events into files"));
  }
  std::string content = Dump(data);
  for (const Input& input : FilesOfTests(plan, all)) {
    base::StrAppend(&content, "\n", NameOf(input), "=", facts.versions.at(input));
  }
  all.slice_hash = ShortHash(content);
  const StageView view{world, all, v1::Stage::default_instance(),
                       ObjectName(world.pipeline(), kName)};
  Json config_map =
      NewTestsObject(kube::kConfigMaps, world, base::StrCat(view.object_name, "-", all.slice_hash));
  config_map["data"] = data;
  config_map["immutable"] = true;
  tests.objects.push_back(std::move(config_map));
  if (settings.network_policies) tests.objects.push_back(RenderPolicy(view));
  tests.objects.push_back(RenderJob(view));
  tests.job = kube::NameOf(tests.objects.back());
  tests.outcome = Tests::Outcome::kRunning;
  const auto job = std::find_if(jobs.begin(), jobs.end(),
                                [&](const Json& each) { return kube::NameOf(each) == tests.job; });
  if (kube::TextAt(live, {"status", "testsJob"}) == tests.job) {
    // An edit was taken back, or somebody tidies up Jobs.
    tests.outcome = Tests::Outcome::kPassed;
    if (job == jobs.end()) tests.objects.clear();
  } else if (job != jobs.end()) {
    Judge(*job, now_micros, &tests);
  }
  tests.hold = tests.hold && tests.outcome != Tests::Outcome::kPassed;
  return tests;
}

}  // namespace levada::render
