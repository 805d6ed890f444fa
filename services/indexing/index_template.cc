#include "services/indexing/index_template.h"

#include <nlohmann/json.hpp>

#include "core/base/strings.h"

namespace levada::indexing {
namespace {

using Json = nlohmann::ordered_json;

// Above the templates that OpenSearch brings along and most that people write for `*`.
constexpr int kPriority = 500;
// Lucene takes terms of up to 32766 bytes; a character has up to 4.
constexpr int kLongestKeyword = 8191;

Json StringMapping() {
  return {{"type", "keyword"},
          {"ignore_above", kLongestKeyword},
          {"fields", {{"text", {{"type", "text"}}}}}};
}

Json TimestampMapping() {
  return {{"type", "date"}, {"format", "strict_date_optional_time||epoch_millis"}};
}

// Null: left to what comes.
Json MappingOf(v1::FieldType type) {
  switch (type) {
    case v1::FIELD_TYPE_BOOLEAN:
      return {{"type", "boolean"}};
    case v1::FIELD_TYPE_INT:
      return {{"type", "integer"}};
    case v1::FIELD_TYPE_LONG:
      return {{"type", "long"}};
    case v1::FIELD_TYPE_FLOAT:
      return {{"type", "float"}};
    case v1::FIELD_TYPE_DOUBLE:
      return {{"type", "double"}};
    case v1::FIELD_TYPE_DATE:
      return {{"type", "date"}, {"format", "strict_date"}};
    case v1::FIELD_TYPE_TIMESTAMP:
      return TimestampMapping();
    case v1::FIELD_TYPE_STRING:
      return StringMapping();
    case v1::FIELD_TYPE_STRUCT:
      return {{"type", "object"}};
    default:
      return nullptr;
  }
}

Json MappingsJson(const v1::Topic& topic) {
  Json properties = Json::object();
  for (const v1::Field& field : topic.fields()) {
    Json mapping = MappingOf(field.type());
    if (!mapping.is_null()) properties[field.name()] = std::move(mapping);
  }
  if (!topic.timestamp().empty()) properties[topic.timestamp()] = TimestampMapping();
  return {{"date_detection", false},
          {"dynamic_templates",
           {{{"text", {{"match_mapping_type", "string"}, {"mapping", StringMapping()}}}},
            {{"numbers", {{"match_mapping_type", "long"}, {"mapping", {{"type", "double"}}}}}}}},
          {"properties", std::move(properties)}};
}

bool IsByDate(const v1::Indexing& indexing) {
  return indexing.by() == v1::INDEX_BY_DAY || indexing.by() == v1::INDEX_BY_MONTH;
}

}  // namespace

std::string TemplateName(const v1::Pipeline& pipeline, const v1::Stage& stage) {
  return base::StrCat("levada-", pipeline.metadata().name(), "-", stage.name());
}

std::string IndexPattern(const v1::Indexing& indexing) {
  return IsByDate(indexing) ? indexing.index() + "-*.*" : indexing.index();
}

std::string Mappings(const v1::Topic& topic) { return MappingsJson(topic).dump(); }

std::string IndexTemplate(const v1::Pipeline& pipeline, const v1::Stage& stage,
                          const v1::Topic& topic) {
  const v1::Indexing& indexing = stage.indexing();
  Json content = {
      {"settings",
       {{"index",
         {{"auto_expand_replicas", "0-1"},
          {"refresh_interval", "1s"},
          // How long a delete is remembered against older versions that are still being retried.
          {"gc_deletes", "10m"}}}}},
      {"mappings", MappingsJson(topic)}};
  if (IsByDate(indexing)) content["aliases"] = {{indexing.index(), Json::object()}};
  const Json body = {{"index_patterns", {IndexPattern(indexing)}},
                     {"priority", kPriority},
                     {"template", std::move(content)},
                     {"_meta",
                      {{"managed_by", "levada"},
                       {"pipeline", pipeline.metadata().name()},
                       {"stage", stage.name()}}}};
  return body.dump();
}

}  // namespace levada::indexing
