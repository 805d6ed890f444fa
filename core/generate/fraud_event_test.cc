#include "core/generate/fraud_event.h"

#include <regex>

#include "core/base/time.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace levada::generate {
namespace {

Transaction Sample() {
  return {.time_ms = 1'522'571'467'250,
          .id_high = 0x0123456789abcdef,
          .id_low = 0xfedcba9876543210,
          .customer = 42,
          .terminal = 1'234'567,
          .amount_cents = 5'705,
          .card_bin = 441'363,
          .ip_address = 0xc6120409,
          .distance = 341,
          .country = 3,
          .category = 4,
          .scenario = 2};
}

TEST(FraudEventTest, WritesEveryField) {
  std::string line = "before ";
  AppendEvent(Sample(), &line);
  EXPECT_EQ(line, R"(before {"event_id":"01234567-89ab-8def-bedc-ba9876543210",)"
                  R"("event_time":"2018-04-01T08:31:07.250Z","entity_id":"C000042",)"
                  R"("terminal_id":"T1234567","card_bin":"441363","transaction_amt":57.05,)"
                  R"("transaction_currency":"eur","product_category":"grocery_pos",)"
                  R"("billing_country":"DE","ip_address":"198.18.4.9","distance_km":3.41})");
}

TEST(FraudEventTest, WritesTheLabelInTheEventOrAlone) {
  std::string plain;
  AppendEvent(Sample(), &plain);
  std::string labelled;
  AppendLabelledEvent(Sample(), &labelled);
  plain.pop_back();
  EXPECT_EQ(labelled, plain + R"(,"is_fraud":true,"fraud_scenario":2})");

  std::string label;
  Transaction genuine = Sample();
  genuine.scenario = 0;
  AppendLabel(genuine, &label);
  EXPECT_EQ(label, R"({"event_id":"01234567-89ab-8def-bedc-ba9876543210",)"
                   R"("event_time":"2018-04-01T08:31:07.250Z","is_fraud":false,)"
                   R"("fraud_scenario":0})");
}

TEST(FraudEventTest, IsJsonOfTheSizeOfAnEvent) {
  FraudSimulator simulator({.customers = 200, .terminals = 500, .days = 30});
  const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  Transaction transaction;
  size_t events = 0;
  size_t bytes = 0;
  while (simulator.Next(&transaction)) {
    std::string line;
    AppendLabelledEvent(transaction, &line);
    const nlohmann::json event = nlohmann::json::parse(line);
    ASSERT_EQ(event.size(), 13u);
    EXPECT_TRUE(std::regex_match(event["event_id"].get<std::string>(), uuid));
    EXPECT_DOUBLE_EQ(event["transaction_amt"].get<double>(), transaction.amount_cents / 100.0);
    EXPECT_EQ(event["transaction_currency"].get<std::string>().size(), 3u);
    EXPECT_EQ(event["is_fraud"].get<bool>(), transaction.scenario > 0);
    EXPECT_EQ(base::ParseTimestamp(event["event_time"].get<std::string>()).value_or(0),
              transaction.time_ms * 1'000);
    line.clear();
    AppendEvent(transaction, &line);
    bytes += line.size();
    ++events;
  }
  ASSERT_GT(events, 1'000u);
  EXPECT_GT(bytes / events, 280u);
  EXPECT_LT(bytes / events, 340u);
}

TEST(FraudEventTest, WritesKeys) {
  const auto key = [](std::string_view name) {
    KeyField field;
    std::string text;
    EXPECT_TRUE(ParseKeyField(name, &field)) << name;
    AppendKey(Sample(), field, &text);
    return text;
  };
  EXPECT_EQ(key("entity_id"), "C000042");
  EXPECT_EQ(key("terminal_id"), "T1234567");
  EXPECT_EQ(key("event_id"), "01234567-89ab-8def-bedc-ba9876543210");
  EXPECT_EQ(key("none"), "");
  KeyField field;
  EXPECT_FALSE(ParseKeyField("card_bin", &field));
}

}  // namespace
}  // namespace levada::generate
