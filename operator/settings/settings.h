#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "levada/v1/settings.pb.h"
#include "operator/render/settings.h"

// The file of `levada-operator --settings`: proto/levada/v1/settings.proto, read as strictly as a
// manifest.
//
//   absl::StatusOr<v1::OperatorSettings> file =
//   settings::Load("/etc/levada/operator/settings.yaml"); if (!file.ok()) return file.status(); //
//   every problem, with line and column render::Settings rendering = settings::ForRendering(*file);
//   rendering.image = flags.image;
//
// Threads: pure functions, but for reading the file.
namespace levada::settings {

// Defaults are applied. An empty path: the defaults alone. kInvalidArgument with all problems;
// kNotFound where there is no such file.
absl::StatusOr<v1::OperatorSettings> Load(const std::string& path);
// The same of a text; `file` is named in problems.
absl::StatusOr<v1::OperatorSettings> Read(std::string_view text, std::string_view file);

// What rendering takes of it. Images of all stages and the operator's namespace are not in it.
render::Settings ForRendering(const v1::OperatorSettings& settings);

}  // namespace levada::settings
