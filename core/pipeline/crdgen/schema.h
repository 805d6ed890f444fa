#pragma once

#include <nlohmann/json.hpp>

#include "google/protobuf/descriptor.h"

// Structural OpenAPI v3 schemas, as CRDs have them, of the schema's messages: descriptions from the
// comments, types, patterns, bounds, required keys, list types and CEL rules from the options.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

using CrdJson = nlohmann::ordered_json;

CrdJson SchemaOf(const google::protobuf::Descriptor& message);

}  // namespace levada::pipeline
