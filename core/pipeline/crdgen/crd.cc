#include "core/pipeline/crdgen/crd.h"

#include "core/base/strings.h"
#include "core/pipeline/crdgen/schema.h"
#include "core/pipeline/docgen/described.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/quote.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/yaml.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;

constexpr std::string_view kHead =
    "# Made from proto/levada/v1/{pipeline,cluster,status}.proto by levada-crdgen. Do not edit:\n"
    "# `./dev docs` makes it anew, and a test fails when it is stale.\n"
    "# Kubernetes 1.29 or later.\n";

class YamlWriter {
 public:
  std::string Write(const CrdJson& json) {
    Entries(json, 0);
    return std::move(out_);
  }

 private:
  void Entries(const CrdJson& object, size_t indent) {
    for (const auto& [key, value] : object.items()) {
      out_.append(indent, ' ');
      Text(key);
      out_ += ":";
      Value(value, indent);
    }
  }

  void Value(const CrdJson& value, size_t indent) {
    if (value.is_object() && !value.empty()) {
      out_ += "\n";
      return Entries(value, indent + 2);
    }
    if (value.is_array() && !value.empty()) {
      out_ += "\n";
      for (const CrdJson& element : value) Element(element, indent);
      return;
    }
    out_ += " ";
    Scalar(value);
  }

  void Element(const CrdJson& element, size_t indent) {
    out_.append(indent, ' ');
    out_ += "- ";
    if (!element.is_object()) return Scalar(element);
    const size_t at = out_.size();
    Entries(element, indent + 2);
    out_.erase(at, indent + 2);  // the first entry stands behind the dash
  }

  void Scalar(const CrdJson& value) {
    if (value.is_string()) {
      Text(value.get<std::string>());
    } else {
      out_ += value.dump();
    }
    out_ += "\n";
  }

  void Text(const std::string& text) {
    static constexpr std::string_view kWord =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.";
    YamlNode node;
    node.text = text;
    const bool plain = !text.empty() && text.find_first_not_of(kWord) == text.npos &&
                       text.front() != '-' && TypeOf(node) == ScalarType::kText;
    if (plain) {
      out_ += text;
    } else {
      AppendQuoted(text, &out_);
    }
  }

  std::string out_;
};

CrdJson Column(std::string_view name, std::string_view type, std::string_view path,
               std::string_view description, int priority = 0) {
  CrdJson column = {
      {"name", name}, {"type", type}, {"description", description}, {"jsonPath", path}};
  if (priority > 0) column["priority"] = priority;
  return column;
}

CrdJson Columns() {
  return {
      Column("Phase", "string", ".status.phase", "The pipeline in one word."),
      Column("Stages", "string", ".status.stagesReady", "Stages that are ready, of all."),
      Column("Topics", "string", ".status.topicsReady", "Topics that are ready, of all."),
      Column("Lag", "integer", ".status.lag", "Events that wait in front of all stages."),
      Column("Events/s", "integer", ".status.eventsPerSecond", "Events a second that come in."),
      Column("Age", "date", ".metadata.creationTimestamp", "Since it was created."),
      Column("Message", "string", ".status.conditions[?(@.type==\"Ready\")].message",
             "Why it is ready or not.", 1),
  };
}

// The schema of the whole resource. `metadata` is the API server's; only the name has bounds.
CrdJson ResourceSchema(const DescriptorPool& pool) {
  const Descriptor& pipeline = *pool.FindMessageTypeByName("levada.v1.Pipeline");
  const auto comment = [&](std::string_view key) { return Comment(*FindKey(pipeline, key)); };
  const auto& metadata = *FindKey(pipeline, "metadata")->message_type();
  CrdJson name = SchemaOf(metadata)["properties"]["name"];
  CrdJson spec = SchemaOf(*pool.FindMessageTypeByName("levada.v1.PipelineSpec"));
  spec["description"] = comment("spec");
  const Descriptor& status = *pool.FindMessageTypeByName("levada.v1.PipelineStatus");
  return {{"description", Comment(pipeline)},
          {"type", "object"},
          {"required", CrdJson::array({"spec"})},
          {"properties",
           {{"apiVersion", {{"description", comment("apiVersion")}, {"type", "string"}}},
            {"kind", {{"description", comment("kind")}, {"type", "string"}}},
            {"metadata", {{"type", "object"}, {"properties", {{"name", name}}}}},
            {"spec", spec},
            {"status", SchemaOf(status)}}}};
}

}  // namespace

absl::StatusOr<std::string> Crd(std::string_view descriptors) {
  const auto pool = ReadDescriptors(descriptors);
  if (!pool.ok()) return pool.status();
  const std::string_view group = kApiVersion.substr(0, kApiVersion.find('/'));
  const std::string_view version = kApiVersion.substr(group.size() + 1);
  const CrdJson crd = {
      {"apiVersion", "apiextensions.k8s.io/v1"},
      {"kind", "CustomResourceDefinition"},
      {"metadata",
       {{"name", base::StrCat("pipelines.", group)},
        {"labels", {{"app.kubernetes.io/part-of", "levada"}}}}},
      {"spec",
       {{"group", group},
        {"scope", "Namespaced"},
        {"names",
         {{"kind", kKind},
          {"listKind", base::StrCat(kKind, "List")},
          {"plural", "pipelines"},
          {"singular", "pipeline"},
          {"shortNames", CrdJson::array({"pl"})},
          {"categories", CrdJson::array({"levada"})}}},
        {"versions",
         CrdJson::array({{{"name", version},
                          {"served", true},
                          {"storage", true},
                          {"subresources", {{"status", CrdJson::object()}}},
                          {"additionalPrinterColumns", Columns()},
                          {"schema", {{"openAPIV3Schema", ResourceSchema(**pool)}}}}})}}}};
  return std::string(kHead) + YamlWriter().Write(crd);
}

}  // namespace levada::pipeline
