#include "services/ingest/validator.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace levada::ingest {
namespace {

using testing::HasSubstr;

v1::Topic Parse(const std::string& text) {
  v1::Topic topic;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &topic));
  return topic;
}

constexpr char kTopic[] = R"(
  name: "transactions" key: "card" timestamp: "at"
  fields { name: "id" type: FIELD_TYPE_STRING required: true }
  fields { name: "at" type: FIELD_TYPE_TIMESTAMP }
  fields { name: "amount" type: FIELD_TYPE_DOUBLE }
  fields { name: "count" type: FIELD_TYPE_INT }
  fields { name: "total" type: FIELD_TYPE_LONG }
  fields { name: "ratio" type: FIELD_TYPE_FLOAT }
  fields { name: "day" type: FIELD_TYPE_DATE }
  fields { name: "flag" type: FIELD_TYPE_BOOLEAN }
  fields { name: "tags" type: FIELD_TYPE_LIST }
  fields { name: "more" type: FIELD_TYPE_STRUCT })";

class ValidatorTest : public testing::Test {
 protected:
  explicit ValidatorTest(const std::string& topic = kTopic) : topic_(Parse(topic)) {}

  // Empty: valid.
  std::string Fault(std::string_view event) {
    scratch_.Reset();
    ingest::Fault fault;
    const bool valid = validator_.Check(event, &scratch_, &event_, &fault);
    EXPECT_NE(valid, !fault.text.empty()) << event;
    reason_ = fault.reason;
    return fault.text;
  }
  // With the fields that it must have.
  std::string FaultWith(std::string_view member) {
    return Fault(base::StrCat(R"({"id":"1","card":"c",)", member, "}"));
  }

  const v1::Topic topic_;
  const Validator validator_{&topic_, 1000};
  Validator::Scratch scratch_{validator_};
  Event event_;
  ingest::Fault::Reason reason_{};
};

TEST_F(ValidatorTest, TakesTheKey) {
  EXPECT_EQ(Fault(R"({"id":"1","card":"c\u00e9","at":"2024-03-01T12:34:56.789+01:00"})"), "");
  EXPECT_TRUE(event_.has_key);
  EXPECT_EQ(event_.key, "cé");
  EXPECT_EQ(Fault(R"({"id":"1","card":12.50})"), "");
  EXPECT_EQ(event_.key, "12.50");
}

TEST_F(ValidatorTest, TypesAreChecked) {
  for (const std::string_view good :
       {R"("amount":1)", R"("amount":-1.5e300)", R"("amount":null)", R"("amount":1e-999)",
        R"("count":2147483647)", R"("count":-2147483648)", R"("total":9223372036854775807)",
        R"("ratio":3.4e38)", R"("day":"2024-02-29")", R"("flag":false)", R"("tags":[1,"a"])",
        R"("more":{"a":{}})", R"("unknown":[[]])", R"("at":1709292896)", R"("at":"1709292896789")",
        R"("at":1709292896789123)", R"("at":"2024-03-01")", R"("at":"2024-03-01 12:34")"}) {
    EXPECT_EQ(FaultWith(good), "") << good;
  }
  for (const std::string_view bad :
       {R"("amount":"1")", R"("amount":true)", R"("amount":1e309)", R"("amount":[1])",
        R"("count":2147483648)", R"("count":1.0)", R"("count":"7")",
        R"("total":9223372036854775808)", R"("ratio":3.5e38)", R"("day":"2023-02-29")",
        R"("day":20240229)", R"("flag":0)", R"("flag":"true")", R"("tags":{})", R"("more":[])",
        R"("at":"yesterday")", R"("at":"2024-13-01T00:00:00Z")", R"("at":true)", R"("at":"")"}) {
    const std::string fault = FaultWith(bad);
    EXPECT_THAT(fault, HasSubstr("'")) << bad;
    EXPECT_EQ(reason_, Fault::Reason::kSchema) << bad;
  }
  EXPECT_EQ(FaultWith(R"("count":"seven")"),
            R"(field 'count': expected a whole number of 32 bits, got "seven")");
}

TEST_F(ValidatorTest, RequiredFieldsAndTheKeyMustBeThere) {
  EXPECT_EQ(Fault(R"({"card":"c"})"), "the required field 'id' is missing");
  EXPECT_EQ(Fault(R"({"id":null,"card":"c"})"), "the required field 'id' is null");
  EXPECT_EQ(Fault(R"({"id":"1"})"), "the key field 'card' is missing");
  EXPECT_EQ(Fault(R"({"id":"1","card":null})"), "the key field 'card' is null");
  EXPECT_EQ(Fault(R"({"id":"1","card":[]})"),
            "the key field 'card': expected a string or a number, got an array");
}

TEST_F(ValidatorTest, RefusesWhatIsNoJsonObject) {
  std::string deep(10'000, '[');
  deep += std::string(10'000, ']');
  const Validator roomy(&topic_, 1 << 20);
  ingest::Fault fault;
  EXPECT_FALSE(roomy.Check(base::StrCat(R"({"id":"1","card":"c","x":)", deep, "}"), &scratch_,
                           &event_, &fault));
  EXPECT_EQ(fault.reason, ingest::Fault::Reason::kNotJson);
  for (const std::string_view bad :
       {"", "{", "[]", "1", "\"a\"", "null", "{\"id\":}", "{\"id\":\"1\",}", "{'id':'1'}",
        R"({"id":"1","card":"c","amount":NaN})", R"({"id":"1","card":"c","amount":Infinity})",
        R"({"id":"1","card":"c"} x)", "{\"id\":\"\xff\",\"card\":\"c\"}",
        R"({"id":"\ud800","card":"c"})", R"({"id":"1","id":"2","card":"c"})",
        R"({"id":"1","card":"c","amount":01})"}) {
    EXPECT_NE(Fault(bad), "") << bad;
    EXPECT_EQ(reason_, Fault::Reason::kNotJson) << bad;
  }
}

TEST_F(ValidatorTest, TooLarge) {
  EXPECT_THAT(Fault(base::StrCat(R"({"id":")", std::string(2000, 'x'), R"(","card":"c"})")),
              HasSubstr("more than the 1000 that are allowed"));
  EXPECT_EQ(reason_, ingest::Fault::Reason::kTooLarge);
}

class ClosedTopicTest : public ValidatorTest {
 protected:
  ClosedTopicTest()
      : ValidatorTest("name: 't' closed: true fields { name: 'a' type: FIELD_TYPE_LONG }") {}
};

TEST_F(ClosedTopicTest, RefusesOtherFields) {
  EXPECT_EQ(Fault(R"({"a":1})"), "");
  EXPECT_EQ(Fault("{}"), "");
  EXPECT_EQ(Fault(R"({"\u0061":1})"), "");
  EXPECT_EQ(Fault(R"({"a":1,"b":2})"), "field 'b' is not one of the topic's");
  EXPECT_FALSE(event_.has_key);
}

TEST(OpenTopicTest, AnyObjectWillDo) {
  const Validator validator(nullptr, 100);
  Validator::Scratch scratch(validator);
  Event event;
  ingest::Fault fault;
  EXPECT_TRUE(validator.Check(R"({"x":[1]})", &scratch, &event, &fault));
  EXPECT_FALSE(validator.Check("[1]", &scratch, &event, &fault));
}

}  // namespace
}  // namespace levada::ingest
