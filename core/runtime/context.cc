#include "core/base/strings.h"
#include "core/runtime/stage.h"

namespace levada::runtime {
namespace {

std::string Below(std::string_view folder, std::string_view name) {
  if (folder.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  return base::StrCat(folder, "/", name);
}

}  // namespace

std::string StageContext::FilePath(std::string_view name) const { return Below(files_dir, name); }

std::string StageContext::DataPath(std::string_view folder) const {
  return Below(data_dir, folder);
}

const v1::Topic* StageContext::FindTopic(std::string_view name) const {
  for (const v1::Topic& topic : pipeline.spec().topics()) {
    if (topic.name() == name) return &topic;
  }
  return nullptr;
}

const v1::Connection* StageContext::FindConnection(std::string_view name) const {
  const auto& connections = pipeline.spec().connections();
  const auto found = connections.find(std::string(name));
  return found == connections.end() ? nullptr : &found->second;
}

std::map<std::string, std::string> StageContext::Labels() const {
  return {{"namespace", pipeline.metadata().namespace_()},
          {"pipeline", pipeline.metadata().name()},
          {"stage", stage.name()}};
}

}  // namespace levada::runtime
