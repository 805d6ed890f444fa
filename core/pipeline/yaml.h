#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"

// YAML text as trees of values that know where they were written.
//
//   auto source = std::make_shared<const SourceText>("fraud.yaml", text);
//   for (const YamlNode& document : ParseYaml(source, &problems)) { ... }
//
// The parser is yaml-cpp, by its events: where a value stands, how it was written and how much it
// may expand to is ours. Aliases and merge keys are expanded; a document that is too deep or that
// expands to too many values is a problem and is not returned.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

inline constexpr int kMaxYamlDepth = 64;
inline constexpr size_t kMaxYamlNodes = 200'000;  // after aliases are expanded

struct YamlEntry;

struct YamlNode {
  enum class Kind { kScalar, kSequence, kMapping };

  Kind kind = Kind::kScalar;
  SourceSpan span;
  std::string text;                // of a scalar, decoded
  bool text_tag = false;           // `!!str`: text whatever it looks like
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a mapping, as written; merge keys are expanded
};

struct YamlEntry {
  YamlNode key;
  YamlNode value;
};

// What YAML 1.1, as the API server reads it, makes of a scalar.
enum class ScalarType { kText, kNull, kBoolean, kInteger, kFloat };
ScalarType TypeOf(const YamlNode& scalar);

// "text", "a number", "true or false", "a list", "a map", "nothing": for messages.
std::string_view Describe(const YamlNode& node);

// The documents of a text; those that are empty are left out.
std::vector<YamlNode> ParseYaml(const std::shared_ptr<const SourceText>& source,
                                Problems* problems);

}  // namespace levada::pipeline
