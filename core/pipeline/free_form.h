#pragma once

#include <string>

#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"
#include "core/pipeline/yaml.h"
#include "google/protobuf/struct.pb.h"

// Parts of a manifest that are Kubernetes' own and that Levada hands on without knowing what is in
// them, such as `affinity`: any map, by the manifest's rules for scalars.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// What does not fit is a problem and is left out.
void ReadFreeForm(const YamlNode& node, const std::string& path, SourceMap* source,
                  Problems* problems, google::protobuf::Struct* out);

// `{"a":1}`: JSON, which is YAML as well.
std::string FreeFormToJson(const google::protobuf::Struct& free_form);

}  // namespace levada::pipeline
