#include "core/pipeline/format.h"

#include <gtest/gtest.h>

#include "core/pipeline/rules.h"
#include "levada/v1/pipeline.pb.h"

namespace levada::pipeline {
namespace {

void ExpectAll(v1::Format format, std::initializer_list<std::string_view> good,
               std::initializer_list<std::string_view> bad) {
  for (const std::string_view text : good) {
    EXPECT_EQ(FormatProblem({}, format, text), "") << text;
  }
  for (const std::string_view text : bad) {
    EXPECT_NE(FormatProblem({}, format, text), "") << v1::Format_Name(format) << ": " << text;
  }
}

TEST(FormatTest, TellsGoodFromBad) {
  const std::string long_name(64, 'a');
  ExpectAll(v1::NAME, {"a", "a-b", "0a"}, {"", "-a", "a-", "A", "a_b", "a.b", "é", long_name});
  ExpectAll(v1::TOPIC_NAME, {"a", "A_b-c.d"}, {"", ".", "..", "a b", "a/b", "__consumer_offsets"});
  ExpectAll(v1::FIELD, {"a", "cs-uri-stem", "cs(Host)", "größe"}, {"", "a.b", "a\nb"});
  ExpectAll(v1::URL, {"http://a", "https://a.b:9200/x?y#z", "http://[::1]:80/", "http://127.0.0.1"},
            {"", "a", "ftp://a", "http://", "http://a b", "http://a:0", "http://a:x", "http://u@a",
             "http://a:99999", "http://:80", "http://[::1", "http://a\nb"});
  ExpectAll(v1::PATH, {"/", "/a/b"}, {"", "a", "/a b", "/a?b", "/a#b"});
  ExpectAll(v1::FOLDER, {"a", "a/b.c", "..a"},
            {"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb"});
  ExpectAll(v1::INDEX_NAME, {"a", "logs-2026.11"},
            {"", "A", "-a", "_a", "+a", "a b", "a/b", "a*", "a:b", "a#b", ".", ".."});
  ExpectAll(v1::EMAIL, {"a@b", "a.b+c@d.example"},
            {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b,c@d", "A <a@b>", "a@b\r\nBcc: c@d"});
  ExpectAll(v1::HOST, {"a", "a.b-c", "127.0.0.1", "::1"}, {"", "a:25", "a b", "-a", "a/", "::g"});
  ExpectAll(v1::BROKERS, {"a:1", "a:1,b:2", "a:1, b:2", "[::1]:9092"},
            {"", "a", "a:1,", "a:1,b", ":9092", "a:0", "a:1;b:2"});
  ExpectAll(v1::DURATION, {"0", "500ms", "1h30m", "7d"}, {"", "1", "1w", "-1s", "1s1h"});
  ExpectAll(v1::BYTES, {"0", "512", "64Ki", "1Gi"}, {"", "x", "-1", "1Zi"});
}

// A manifest is what everybody may write: a default must be what its own field would take.
void CheckDefaults(const google::protobuf::Descriptor& type, int* checked) {
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    const v1::FieldRules& rules = RulesOf(field);
    const std::string& text = rules.default_value();
    if (text.empty()) continue;
    ++*checked;
    EXPECT_FALSE(rules.required()) << field.full_name();
    using Field = google::protobuf::FieldDescriptor;
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        EXPECT_EQ(text, "{}") << field.full_name();
        break;
      case Field::CPPTYPE_ENUM:
        EXPECT_NE(FindValue(*field.enum_type(), text), nullptr) << field.full_name();
        break;
      case Field::CPPTYPE_BOOL:
        EXPECT_TRUE(text == "true" || text == "false") << field.full_name();
        break;
      case Field::CPPTYPE_STRING:
        EXPECT_EQ(FormatProblem(rules, rules.format(), text), "") << field.full_name();
        break;
      default: {
        const double number = std::stod(text);
        EXPECT_TRUE(!rules.has_min() || number >= rules.min()) << field.full_name();
        EXPECT_TRUE(!rules.has_max() || number <= rules.max()) << field.full_name();
      }
    }
  }
}

TEST(SchemaTest, DefaultsFitTheirFields) {
  int checked = 0;
  const auto& file = *v1::Pipeline::descriptor()->file();
  for (int i = 0; i < file.message_type_count(); ++i)
    CheckDefaults(*file.message_type(i), &checked);
  EXPECT_GT(checked, 20);
}

// Kubernetes reads these as booleans: no key may be called so.
TEST(SchemaTest, NoKeyIsABooleanToYaml) {
  const auto& file = *v1::Pipeline::descriptor()->file();
  for (int i = 0; i < file.message_type_count(); ++i) {
    for (const std::string& key : KeysOf(*file.message_type(i))) {
      for (const std::string_view word : {"on", "off", "yes", "no", "y", "n", "true", "false"}) {
        EXPECT_NE(key, word);
      }
    }
  }
}

}  // namespace
}  // namespace levada::pipeline
