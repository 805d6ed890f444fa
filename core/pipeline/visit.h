#pragma once

#include <functional>
#include <string>

#include "google/protobuf/message.h"

namespace levada::pipeline {

// Calls `visit` for every text in `message` and below it, elements of lists one by one, with its
// path as problems and the SourceMap have it. `path` is that of `message`.
using TextVisitor =
    std::function<void(const std::string& path, const google::protobuf::FieldDescriptor& field,
                       const std::string& text)>;
void VisitTexts(const google::protobuf::Message& message, const std::string& path,
                const TextVisitor& visit);

// Calls `visit` for `message` and every message below it.
using MessageVisitor =
    std::function<void(const std::string& path, const google::protobuf::Message& message)>;
void VisitMessages(const google::protobuf::Message& message, const std::string& path,
                   const MessageVisitor& visit);

}  // namespace levada::pipeline
