#include "core/runtime/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace levada::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(LatencyWindowTest, NothingIsKnownBeforeTheFirstObservation) {
  EXPECT_EQ(LatencyWindow().Quantile(0.5), -1);
}

TEST(LatencyWindowTest, EveryMagnitudeIsWithinSixPercent) {
  for (int64_t micros = 1; micros < int64_t{1} << 36; micros = micros * 5 / 4 + 1) {
    LatencyWindow window;
    window.Observe(microseconds(micros));
    const double expected = static_cast<double>(micros) / 1000;
    EXPECT_NEAR(window.Quantile(0.5), expected, expected * 0.0625) << micros;
  }
}

TEST(LatencyWindowTest, QuantilesOfManyCountByWeight) {
  LatencyWindow window;
  window.Observe(milliseconds(10), 980);
  window.Observe(milliseconds(1000), 20);
  EXPECT_NEAR(window.Quantile(0.5), 10, 0.7);
  EXPECT_NEAR(window.Quantile(0.99), 1000, 63);
}

TEST(LatencyWindowTest, ANegativeLatencyOfClocksThatDisagreeIsNone) {
  LatencyWindow window;
  window.Observe(milliseconds(-5));
  EXPECT_EQ(window.Quantile(0.5), 0);
}

TEST(StageMetricsTest, WhatHappenedIsInTheNumbersAndInPrometheus) {
  prometheus::Registry registry;
  StageMetrics metrics(registry, {{"pipeline", "p"}, {"stage", "s"}});
  metrics.In(10, 1000);
  metrics.Out(7, 700);
  metrics.Filtered(2);
  metrics.DeadLetters(1);
  metrics.Error(ErrorType::kDestination, "search does not answer");
  metrics.Lag(42);
  metrics.Rebalance(3);
  const StageMetrics::Numbers numbers = metrics.Read();
  EXPECT_EQ(numbers.records_in, 10u);
  EXPECT_EQ(numbers.bytes_out, 700u);
  EXPECT_EQ(numbers.filtered, 2u);
  EXPECT_EQ(numbers.dead_letters, 1u);
  EXPECT_EQ(numbers.errors, 1u);
  EXPECT_EQ(numbers.last_error, "search does not answer");
  EXPECT_GT(numbers.last_error_micros, 0);
  EXPECT_EQ(numbers.lag, 42);
  EXPECT_EQ(numbers.partitions, 3);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, HasSubstr(R"(levada_records_in_total{pipeline="p",stage="s"} 10)"));
  EXPECT_THAT(text, HasSubstr(R"(error_type="destination")"));
  EXPECT_THAT(text, HasSubstr(R"(levada_lag_records{pipeline="p",stage="s"} 42)"));
}

}  // namespace
}  // namespace levada::runtime
