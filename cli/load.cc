#include "cli/load.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/base/strings.h"
#include "core/pipeline/check.h"
#include "core/pipeline/manifest.h"

namespace levada::cli {
namespace {

std::optional<std::string> ReadText(const std::string& file) {
  std::stringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    std::cerr << file << " is a folder; a manifest file is expected\n";
    return std::nullopt;
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::cerr << file << ": cannot be read\n";
    return std::nullopt;
  }
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::optional<std::vector<v1::Pipeline>> LoadAll(const Source& source) {
  const std::optional<std::string> text = ReadText(source.file);
  if (!text) return std::nullopt;
  pipeline::Manifests manifests = pipeline::ReadManifests(*text, source.file);
  for (pipeline::Document& document : manifests.documents) {
    for (const std::string& override : source.overrides) {
      pipeline::ApplyOverride(override, &document, &manifests.problems);
    }
    manifests.problems.Append(pipeline::Check(document));
  }
  manifests.problems.Sort();
  std::cerr << manifests.problems.ToText();
  if (manifests.problems.HasErrors()) return std::nullopt;
  std::vector<v1::Pipeline> pipelines;
  for (pipeline::Document& document : manifests.documents) {
    pipelines.push_back(std::move(document.pipeline));
  }
  return pipelines;
}

std::optional<v1::Pipeline> LoadOne(const Source& source, const std::string& name) {
  auto pipelines = LoadAll(source);
  if (!pipelines) return std::nullopt;
  if (name.empty() && pipelines->size() == 1) return std::move(pipelines->front());
  std::string names;
  for (v1::Pipeline& pipeline : *pipelines) {
    if (pipeline.metadata().name() == name) return std::move(pipeline);
    base::StrAppend(&names, names.empty() ? "" : ", ", pipeline.metadata().name());
  }
  std::cerr << source.file << " has the pipelines " << names << ": say which with --name\n";
  return std::nullopt;
}

std::string FilesDir(const Source& source) {
  const auto parent = std::filesystem::path(source.file).parent_path();
  return source.file == "-" || parent.empty() ? "." : parent.string();
}

std::string BrokersFor(const std::string& flag) {
  if (!flag.empty()) return flag;
  const char* variable = std::getenv("LEVADA_KAFKA");
  return variable != nullptr ? variable : "127.0.0.1:9092";
}

int Fail(std::string_view message) {
  std::cerr << "levada: " << message << '\n';
  return kFailed;
}

std::vector<kafka::NewTopic> TopicsOf(const pipeline::Plan& plan) {
  std::vector<kafka::NewTopic> topics;
  for (const pipeline::PlannedTopic& topic : plan.topics) {
    topics.push_back({topic.name, topic.partitions, topic.replication, topic.config});
  }
  return topics;
}

}  // namespace levada::cli
