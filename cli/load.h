#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/secrets.h"
#include "core/kafka/admin.h"
#include "core/kafka/client.h"
#include "core/pipeline/plan.h"

// What the commands share: reading manifests and reaching Kafka.
namespace levada::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUse = 2;  // of flags, or a wrong manifest

struct Source {
  std::string file;                    // "-": standard input
  std::vector<std::string> overrides;  // PATH=VALUE
};

// Reads and checks a file of manifests. Problems are printed to standard error; nothing is returned
// if there was an error among them.
std::optional<std::vector<v1::Pipeline>> LoadAll(const Source& source);

// The one pipeline of a file, or the one named `name` of several.
std::optional<v1::Pipeline> LoadOne(const Source& source, const std::string& name);

// Folder that the manifest's relative files are in.
std::string FilesDir(const Source& source);

// Those of --kafka, else of LEVADA_KAFKA, else those of this machine. For commands whose --kafka
// means something else where a cluster is meant; the others take the variable by AddKafka.
std::string BrokersFor(const std::string& flag);

// Prints `message` and what to do about it; returns kFailed.
int Fail(std::string_view message);

std::vector<kafka::NewTopic> TopicsOf(const pipeline::Plan& plan);

}  // namespace levada::cli
