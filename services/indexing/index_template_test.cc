#include "services/indexing/index_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace levada::indexing {
namespace {

using nlohmann::json;

v1::Topic MakeTopic() {
  v1::Topic topic;
  topic.set_timestamp("at");
  const auto add = [&](const char* name, v1::FieldType type) {
    topic.add_fields()->set_name(name);
    topic.mutable_fields()->rbegin()->set_type(type);
  };
  add("s", v1::FIELD_TYPE_STRING);
  add("i", v1::FIELD_TYPE_INT);
  add("l", v1::FIELD_TYPE_LONG);
  add("f", v1::FIELD_TYPE_FLOAT);
  add("d", v1::FIELD_TYPE_DOUBLE);
  add("b", v1::FIELD_TYPE_BOOLEAN);
  add("day", v1::FIELD_TYPE_DATE);
  add("time", v1::FIELD_TYPE_TIMESTAMP);
  add("o", v1::FIELD_TYPE_STRUCT);
  add("list", v1::FIELD_TYPE_LIST);
  return topic;
}

TEST(IndexTemplateTest, FieldsAreMappedByTheirTypes) {
  const json mappings = json::parse(Mappings(MakeTopic()));
  EXPECT_EQ(mappings["properties"], json::parse(R"({
    "s": {"type":"keyword","ignore_above":8191,"fields":{"text":{"type":"text"}}},
    "i": {"type":"integer"}, "l": {"type":"long"}, "f": {"type":"float"}, "d": {"type":"double"},
    "b": {"type":"boolean"}, "day": {"type":"date","format":"strict_date"},
    "time": {"type":"date","format":"strict_date_optional_time||epoch_millis"},
    "at": {"type":"date","format":"strict_date_optional_time||epoch_millis"},
    "o": {"type":"object"}})"));
  EXPECT_EQ(mappings["date_detection"], false);
  EXPECT_EQ(mappings["dynamic_templates"], json::parse(R"([
    {"text":{"match_mapping_type":"string","mapping":
      {"type":"keyword","ignore_above":8191,"fields":{"text":{"type":"text"}}}}},
    {"numbers":{"match_mapping_type":"long","mapping":{"type":"double"}}}])"));
}

TEST(IndexTemplateTest, ATopicWithoutFieldsIsMappedAsItComes) {
  EXPECT_EQ(json::parse(Mappings(v1::Topic()))["properties"], json::object());
}

TEST(IndexTemplateTest, TheTemplateIsForTheStagesIndexesOnly) {
  v1::Pipeline pipeline;
  pipeline.mutable_metadata()->set_name("fraud");
  v1::Stage stage;
  stage.set_name("search");
  stage.mutable_indexing()->set_index("transactions");
  EXPECT_EQ(TemplateName(pipeline, stage), "levada-fraud-search");
  json body = json::parse(IndexTemplate(pipeline, stage, MakeTopic()));
  EXPECT_EQ(body["index_patterns"], json::parse(R"(["transactions"])"));
  EXPECT_FALSE(body["template"].contains("aliases"));
  EXPECT_EQ(body["template"]["mappings"], json::parse(Mappings(MakeTopic())));

  stage.mutable_indexing()->set_by(v1::INDEX_BY_DAY);
  body = json::parse(IndexTemplate(pipeline, stage, MakeTopic()));
  EXPECT_EQ(body["index_patterns"], json::parse(R"(["transactions-*.*"])"));
  EXPECT_EQ(body["template"]["aliases"], json::parse(R"({"transactions":{}})"));
}

}  // namespace
}  // namespace levada::indexing
