#pragma once

#include <prometheus/registry.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/client.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "core/runtime/stage.h"

// What the tests of this service share: a stage with all that it is made from, and a data folder of
// its own.
namespace levada::archiving {

class TestStage {
 public:
  explicit TestStage(const std::filesystem::path& data) : data_dir(data.string()) {
    pipeline.mutable_metadata()->set_name("test");
    pipeline.mutable_metadata()->set_namespace_("default");
    topic = pipeline.mutable_spec()->add_topics();
    topic->set_name("tx");
    stage = pipeline.mutable_spec()->add_stages();
    stage->set_name("lake");
    archiving = stage->mutable_archiving();
    archiving->set_from("tx");
    archiving->mutable_parquet()->set_folder("lake");
    archiving->set_partition_by(v1::PARTITION_BY_DAY);
    archiving->mutable_roll()->set_count(1'000'000);
    archiving->mutable_roll()->set_size("128Mi");
    archiving->mutable_roll()->set_every("60s");
  }

  void AddField(const char* name, v1::FieldType type, bool required = false) {
    v1::Field* field = topic->add_fields();
    field->set_name(name);
    field->set_type(type);
    field->set_required(required);
  }

  runtime::StageContext Context() {
    runtime::StageContext context{pipeline, *stage, secrets, kafka, metrics, registry, control};
    context.data_dir = data_dir;
    return context;
  }

  std::string Folder() const { return data_dir + "/lake"; }

  // What readers see: files below the folder, without those of the log.
  std::set<std::string> Files() const {
    std::set<std::string> files;
    if (!std::filesystem::exists(Folder())) return files;
    // The log's folders change under us while workers run; those of readers only gain files.
    std::filesystem::recursive_directory_iterator at(Folder()), end;
    for (; at != end; ++at) {
      const std::string path = at->path().lexically_relative(Folder()).string();
      if (path == "_levada") {
        at.disable_recursion_pending();
      } else if (at->is_regular_file()) {
        files.insert(path);
      }
    }
    return files;
  }
  // Files that are being written, of whichever owner.
  int TempFiles() const {
    int count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(Folder() + "/_levada/temp")) {
      count += entry.is_regular_file();
    }
    return count;
  }

  std::string data_dir;
  v1::Pipeline pipeline;
  v1::Topic* topic;
  v1::Stage* stage;
  v1::Archiving* archiving;
  base::Secrets secrets;
  kafka::ClientConfig kafka;
  prometheus::Registry registry;
  runtime::StageMetrics metrics{registry, {}};
  runtime::Control control;
};

// A folder that is new and goes away.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "levada-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace levada::archiving
