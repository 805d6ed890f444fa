#include "operator/render/inputs.h"

#include "core/base/strings.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"
#include "operator/render/names.h"
#include "operator/render/tests.h"

namespace levada::render {
namespace {

using google::protobuf::FieldDescriptor;

// An input and whether pods start without it.
struct Use {
  Input input;
  bool optional = false;
};

void AddVariables(const v1::PodSettings& pod, std::vector<Use>* uses) {
  const auto add = [&](Input::Kind kind, const auto& reference) {
    uses->push_back({{kind, reference.name()}, reference.optional()});
  };
  for (const v1::EnvVar& variable : pod.env()) {
    const v1::EnvSource& source = variable.value_from();
    if (source.has_secret_key_ref()) add(Input::Kind::kSecret, source.secret_key_ref());
    if (source.has_config_map_key_ref()) add(Input::Kind::kConfigMap, source.config_map_key_ref());
  }
  for (const v1::EnvFrom& from : pod.env_from()) {
    if (from.has_secret_ref()) add(Input::Kind::kSecret, from.secret_ref());
    if (from.has_config_map_ref()) add(Input::Kind::kConfigMap, from.config_map_ref());
  }
}

std::vector<Use> UsesOf(const pipeline::Plan& plan, const pipeline::PlannedStage& stage) {
  std::vector<Use> uses;
  for (const Reader reader : {Reader::kWorker, Reader::kFetch}) {
    for (const std::string& secret : SecretsOf(stage, reader)) {
      uses.push_back({{Input::Kind::kSecret, secret}});
    }
    for (const v1::MountedFile& file : FilesOf(plan, stage, reader)) {
      // The operator makes it, under a name that changes with it.
      if (IsSharedKafkaCa(plan.pipeline.metadata().name(), file)) continue;
      if (!file.secret().empty()) uses.push_back({{Input::Kind::kSecret, file.secret()}});
      if (!file.config_map().empty()) {
        uses.push_back({{Input::Kind::kConfigMap, file.config_map()}});
      }
    }
  }
  AddVariables(pipeline::FindStage(plan.pipeline, stage.name)->pod(), &uses);
  return uses;
}

// What the slice says to one of its readers: connections to buckets to levada-fetch, all else to
// the worker.
v1::Pipeline PartFor(Reader reader, v1::Pipeline slice) {
  auto& connections = *slice.mutable_spec()->mutable_connections();
  for (auto it = connections.begin(); it != connections.end();) {
    const bool of_fetch = it->second.has_s3();
    it = of_fetch == (reader == Reader::kFetch) ? std::next(it) : connections.erase(it);
  }
  slice.mutable_spec()->clear_files();
  if (reader == Reader::kFetch) slice.mutable_spec()->clear_stages();
  return slice;
}

}  // namespace

std::vector<std::string> SecretsOf(const pipeline::PlannedStage& stage, Reader reader) {
  std::set<std::string> secrets;
  pipeline::VisitTexts(
      PartFor(reader, stage.slice), "",
      [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
        if (field.name() == "secret_ref" || field.name() == "tls_secret_ref") secrets.insert(text);
      });
  return {secrets.begin(), secrets.end()};
}

std::vector<v1::MountedFile> FilesOf(const pipeline::Plan& plan,
                                     const pipeline::PlannedStage& stage, Reader reader) {
  std::set<std::string> named;
  pipeline::VisitTexts(
      PartFor(reader, stage.slice), "",
      [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
        if (pipeline::RulesOf(field).format() == v1::FILE) named.insert(text);
      });
  std::vector<v1::MountedFile> files;
  for (const v1::MountedFile& file : plan.pipeline.spec().files()) {
    if (named.contains(file.path())) files.push_back(file);
  }
  return files;
}

std::string KeyOf(const v1::MountedFile& file) {
  return file.key().empty() ? file.path().substr(file.path().rfind('/') + 1) : file.key();
}

std::set<Input> InputsOf(const pipeline::Plan& plan, const pipeline::PlannedStage& stage) {
  std::set<Input> inputs;
  for (const Use& use : UsesOf(plan, stage)) inputs.insert(use.input);
  return inputs;
}

std::set<Input> InputsOf(const pipeline::Plan& plan) {
  std::set<Input> inputs = InputsOfTests(plan);
  for (const pipeline::PlannedStage& stage : plan.stages) inputs.merge(InputsOf(plan, stage));
  return inputs;
}

std::vector<std::string> MissingInputs(const pipeline::Plan& plan,
                                       const pipeline::PlannedStage& stage, const Facts& facts) {
  std::set<std::string> missing;
  for (const Use& use : UsesOf(plan, stage)) {
    if (use.optional || facts.versions.contains(use.input)) continue;
    const bool secret = use.input.kind == Input::Kind::kSecret;
    missing.insert(base::StrCat(secret ? "Secret " : "ConfigMap ", use.input.name));
  }
  return {missing.begin(), missing.end()};
}

}  // namespace levada::render
