#include "core/pipeline/check.h"

#include "core/base/strings.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class StructureCheck {
 public:
  StructureCheck(const SourceMap& source, Problems* problems)
      : source_(source), problems_(problems) {}

  void Visit(const std::string& path, const Message& message) const {
    if (source_.Broken(path)) return;  // told already
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (RulesOf(field).required()) Require(path, message, field);
    }
    const v1::MessageRules& rules = RulesOf(type);
    if (rules.exactly_one_size() > 0) ExactlyOne(path, message, rules);
    if (rules.at_most_one_size() > 0) AtMostOne(path, message, rules);
    if (rules.at_least_one_size() > 0 && Given(path, message, rules.at_least_one()).empty()) {
      Error(path, "expected at least one of " + OneOf(Keys(type, rules.at_least_one())));
    }
  }

 private:
  using Names = google::protobuf::RepeatedPtrField<std::string>;

  static bool HasValue(const Message& message, const FieldDescriptor& field) {
    return field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) > 0
                               : message.GetReflection()->HasField(message, &field);
  }

  void Require(const std::string& path, const Message& message,
               const FieldDescriptor& field) const {
    const std::string child = Join(path, KeyOf(field));
    if (HasValue(message, field) || source_.Broken(child)) return;
    if (!source_.Has(child)) {
      Error(path, base::StrCat("the key `", KeyOf(field), "` is missing"));
    } else if (field.is_repeated()) {
      Error(child, "expected at least one element");
    } else {
      Error(child, "must not be empty");
    }
  }

  static std::vector<std::string> Keys(const Descriptor& type, const Names& names) {
    std::vector<std::string> keys;
    for (const std::string& name : names) keys.push_back(KeyOf(*type.FindFieldByName(name)));
    return keys;
  }

  // Keys of those fields of `names` that were given, well or badly.
  std::vector<std::string> Given(const std::string& path, const Message& message,
                                 const Names& names) const {
    std::vector<std::string> given;
    for (const std::string& name : names) {
      const FieldDescriptor& field = *message.GetDescriptor()->FindFieldByName(name);
      const std::string key = KeyOf(field);
      if (HasValue(message, field) || source_.Has(Join(path, key))) given.push_back(key);
    }
    return given;
  }

  void ExactlyOne(const std::string& path, const Message& message,
                  const v1::MessageRules& rules) const {
    const std::vector<std::string> given = Given(path, message, rules.exactly_one());
    const std::string one = OneOf(Keys(*message.GetDescriptor(), rules.exactly_one()));
    if (given.empty()) {
      Error(path, "expected exactly one of " + one);
      return;
    }
    for (size_t i = 1; i < given.size(); ++i) {
      problems_->Add(source_.AtKey(
          Join(path, given[i]),
          base::StrCat("`", given[i], "` beside `", given[0], "`: expected exactly one of ", one)));
    }
    // An empty list, or empty text, stands for nothing.
    const std::string child = Join(path, given[0]);
    const FieldDescriptor* field = FindKey(*message.GetDescriptor(), given[0]);
    if (given.size() == 1 && !HasValue(message, *field) && !source_.Broken(child)) {
      Error(child, "must not be empty");
    }
  }

  void AtMostOne(const std::string& path, const Message& message,
                 const v1::MessageRules& rules) const {
    const std::vector<std::string> given = Given(path, message, rules.at_most_one());
    for (size_t i = 1; i < given.size(); ++i) {
      problems_->Add(source_.AtKey(
          Join(path, given[i]),
          base::StrCat("`", given[i], "` beside `", given[0], "`: expected at most one of ",
                       OneOf(Keys(*message.GetDescriptor(), rules.at_most_one())))));
    }
  }

  void Error(const std::string& path, std::string message) const {
    problems_->Add(source_.At(path, std::move(message)));
  }

  const SourceMap& source_;
  Problems* problems_;
};

}  // namespace

void CheckStructure(const Message& message, const SourceMap& source, Problems* problems) {
  const StructureCheck check(source, problems);
  VisitMessages(message, "", [&](const std::string& path, const Message& visited) {
    check.Visit(path, visited);
  });
}

std::string StagePath(int index) { return Join("spec.stages", static_cast<size_t>(index)); }
std::string TopicPath(int index) { return Join("spec.topics", static_cast<size_t>(index)); }

std::vector<std::string> TopicNames(const v1::Pipeline& pipeline) {
  std::vector<std::string> names;
  for (const v1::Topic& topic : pipeline.spec().topics()) names.push_back(topic.name());
  return names;
}

std::vector<std::string> FieldNames(const v1::Topic& topic) {
  std::vector<std::string> names;
  for (const v1::Field& field : topic.fields()) names.push_back(field.name());
  return names;
}

namespace {

Problems RunChecks(const v1::Pipeline& pipeline, const SourceMap& source) {
  Problems problems;
  const CheckContext context{pipeline, source, &problems};
  CheckStructure(pipeline, source, &problems);
  CheckUnique(context);
  CheckReferences(context);
  CheckTopics(context);
  CheckConnections(context);
  CheckCycles(context);
  CheckStages(context);
  CheckCluster(context);
  CheckExpressions(context);
  CheckTests(context);
  problems.Sort();
  return problems;
}

}  // namespace

Problems Check(const Document& document) { return RunChecks(document.pipeline, document.source); }

Problems Check(const v1::Pipeline& pipeline) { return RunChecks(pipeline, SourceMap()); }

}  // namespace levada::pipeline
