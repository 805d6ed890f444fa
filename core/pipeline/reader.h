#pragma once

#include <set>
#include <string>

#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"
#include "core/pipeline/yaml.h"
#include "google/protobuf/message.h"

namespace levada::pipeline {

// Fills messages from YAML by reflection and the rules of options.proto: no field is known by name.
// What does not fit is a problem and is left out of the message; all that fits is read. Whether
// what is required is there is for Check to say, when overrides are in.
//
// Thread-safety: none; one reader a text.
class Reader {
 public:
  Reader(SourceMap* source, Problems* problems) : source_(source), problems_(problems) {}

  void ReadMessage(const YamlNode& node, const std::string& path,
                   google::protobuf::Message* message);
  // Reads `node` as the value of `field`, which is empty so far.
  void ReadField(const YamlNode& key, const YamlNode& node, const std::string& path,
                 const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message* message);
  // Reads `node` as one more element of the repeated `field`, or as its value.
  void ReadValue(const YamlNode& node, const std::string& path,
                 const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message* message);

 private:
  void ReadList(const YamlNode& node, const std::string& path,
                const google::protobuf::FieldDescriptor& field, google::protobuf::Message* message);
  void ReadMap(const YamlNode& node, const std::string& path,
               const google::protobuf::FieldDescriptor& field, google::protobuf::Message* message);
  void ReadScalar(const YamlNode& node, const std::string& path,
                  const google::protobuf::FieldDescriptor& field,
                  google::protobuf::Message* message);
  void ReadNumber(const YamlNode& node, const std::string& path,
                  const google::protobuf::FieldDescriptor& field,
                  google::protobuf::Message* message);
  // True where `node` is text, within the field's bounds or not; a problem otherwise.
  bool CheckText(const YamlNode& node, const std::string& path,
                 const google::protobuf::FieldDescriptor& field);
  // Tells where text that was read is not of the field's format, unless it was told already.
  void CheckFormat(const YamlNode& node, const std::string& path,
                   const google::protobuf::FieldDescriptor& field);
  // True where `key` is text and not among those `seen`.
  bool CheckKey(const YamlNode& key, const std::string& path, std::set<std::string>* seen);
  void Fail(const YamlNode& node, const std::string& path, std::string message,
            std::string hint = "");

  SourceMap* source_;
  Problems* problems_;
};

}  // namespace levada::pipeline
