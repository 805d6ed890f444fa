#pragma once

#include <string>

#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"
#include "core/pipeline/yaml.h"
#include "google/protobuf/struct.pb.h"

// Parts of a manifest that can be any map, by the manifest's rules for scalars: what is Kubernetes'
// own and is handed on, such as `affinity`, and the events of tests.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// What does not fit is a problem and is left out. `nulls`: a key without a value is null, as in
// JSON; else it is a problem.
void ReadFreeForm(const YamlNode& node, const std::string& path, bool nulls, SourceMap* source,
                  Problems* problems, google::protobuf::Struct* out);

// `{"a":1}`: JSON, which is YAML as well.
std::string FreeFormToJson(const google::protobuf::Struct& free_form);

}  // namespace levada::pipeline
