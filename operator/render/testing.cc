#include "operator/render/testing.h"

#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "core/base/strings.h"
#include "core/pipeline/resource_json.h"
#include "core/pipeline/testing.h"
#include "operator/render/names.h"

namespace levada::render {
namespace {

using kube::Json;

void AppendScalar(const Json& value, int indent, std::string* out) {
  if (!value.is_string() || value.get<std::string>().find('\n') == std::string::npos) {
    base::StrAppend(out, " ", value.dump(), "\n");
    return;
  }
  const std::string text = value.get<std::string>();
  out->append(text.ends_with('\n') ? " |\n" : " |-\n");
  const std::string lines = text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    if (!line.empty()) out->append(indent, ' ');
    base::StrAppend(out, base::View(line), "\n");
  }
}

void AppendValue(const Json& value, int indent, std::string* out);

void AppendChild(const Json& value, int indent, std::string* out) {
  if (!value.is_structured()) return AppendScalar(value, indent, out);
  if (value.empty()) return out->append(value.is_array() ? " []\n" : " {}\n"), void();
  out->append("\n");
  AppendValue(value, indent, out);
}

void AppendValue(const Json& value, int indent, std::string* out) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      out->append(indent, ' ');
      base::StrAppend(out, key, ":");
      AppendChild(member, indent + (member.is_array() ? 0 : 2), out);
    }
    return;
  }
  for (const Json& item : value) {
    std::string block;
    if (item.is_structured() && !item.empty()) {
      AppendValue(item, indent + 2, &block);
      block[indent] = '-';
    } else {
      block = std::string(indent, ' ') + "-";
      AppendChild(item, indent + 2, &block);
    }
    out->append(block);
  }
}

}  // namespace

std::string ToYaml(const Json& object) {
  std::string out = "---\n";
  AppendValue(object, 0, &out);
  return out;
}

std::string OneStage(std::string_view stage, std::string_view more_spec) {
  return base::StrCat(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  topics:
  - {name: orders, partitions: 6}
  - {name: scored, partitions: 6}
  stages:
  - )",
                      stage, "\n", more_spec);
}

Scene::Scene(const std::string& manifest) {
  pipeline::Manifests manifests = pipeline::ReadManifests(manifest, "test.yaml");
  for (const pipeline::Document& document : manifests.documents) {
    manifests.problems.Append(pipeline::Check(document));
  }
  EXPECT_FALSE(manifests.problems.HasErrors()) << manifests.problems.ToText() << manifest;
  pipeline = manifests.documents.at(0).pipeline;
  live = {{"apiVersion", "levada.dev/v1alpha1"},
          {"kind", "Pipeline"},
          {"metadata",
           {{"name", pipeline.metadata().name()},
            {"namespace", "shop"},
            {"uid", "7a5e5f3c-0000-4000-8000-000000000001"}}}};
  live["spec"] = Json::parse(pipeline::ToJson(pipeline.spec()));
  pipeline.mutable_metadata()->set_namespace_("shop");
  settings.image = "registry.example.com/levada:1.2.3";
  for (const Input& input : InputsOf(plan())) facts.versions.emplace(input, "1");
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    if (stage.has_autoscaling()) facts.replicas[stage.name()] = 2;
  }
  facts.has_pod_monitors = facts.has_prometheus_rules = true;
}

Scene Scene::OfFile(const std::string& name) { return Scene(pipeline::ReadTestFile(name)); }

pipeline::Plan Scene::plan() const {
  v1::Pipeline completed = pipeline;
  Complete(settings, &completed);
  return pipeline::Compile(completed);
}

std::vector<Json> Scene::Objects() const {
  std::vector<Json> objects = Tests().objects;
  for (Json& object : Render(plan(), live, settings, facts)) objects.push_back(std::move(object));
  return objects;
}

render::Tests Scene::Tests() const {
  return DecideTests(plan(), live, settings, facts, jobs, now_micros);
}

Json Scene::Object(std::string_view kind, std::string_view name) const {
  for (const Json& object : Objects()) {
    if (object["kind"] == kind && kube::NameOf(object) == name) return object;
  }
  return nullptr;
}

Json Scene::Deployment(std::string_view stage) const {
  return Object("Deployment", ObjectName(pipeline.metadata().name(), stage));
}

Json Scene::PodSpec(std::string_view stage) const {
  return Deployment(stage)["spec"]["template"]["spec"];
}

Json Scene::Worker(std::string_view stage) const { return PodSpec(stage)["containers"][0]; }

Json Scene::PodAnnotations(std::string_view stage) const {
  return Deployment(stage)["spec"]["template"]["metadata"]["annotations"];
}

std::map<std::string, std::string> Scene::MountPaths(std::string_view stage) const {
  std::map<std::string, std::string> paths;
  const Json worker = Worker(stage);
  for (const Json& mount : worker["volumeMounts"]) {
    const std::string sub_path = mount.value("subPath", "");
    const std::string what =
        base::StrCat(mount["name"].get<std::string>(), sub_path.empty() ? "" : "/", sub_path);
    paths[what] = mount["mountPath"];
  }
  return paths;
}

}  // namespace levada::render
