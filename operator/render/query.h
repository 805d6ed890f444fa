#pragma once

#include <string>
#include <string_view>

// PromQL over the metrics of docs/metrics.md, in one spelling for alerts and dashboards. A test
// holds every query against that page.
//
//   const Query of("shop", "fraud", "detect");
//   of.Rate("levada_records_in_total")                // sum(rate(levada_…{…}[$__rate_interval]))
//   of.Quantile(0.99, "levada_latency_seconds")
//
// Threads: const methods from any.
namespace levada::render {

class Query {
 public:
  // Of one stage, or of all of the pipeline where `stage` is empty. `window`: what rates are over.
  Query(std::string_view name_space, std::string_view pipeline, std::string_view stage = "",
        std::string_view window = "$__rate_interval");

  // `levada_x{namespace="…",pipeline="…",stage="…"}`, with more matchers: `result="written"`.
  std::string Series(std::string_view metric, std::string_view matchers = "") const;
  // sum by (<by>) of a gauge, of a counter's rate, of its increase.
  std::string Sum(std::string_view metric, std::string_view by = "") const;
  std::string Rate(std::string_view metric, std::string_view by = "",
                   std::string_view matchers = "") const;
  std::string Increase(std::string_view metric, std::string_view by = "") const;
  // A quantile of a histogram.
  std::string Quantile(double quantile, std::string_view histogram) const;

 private:
  std::string Over(std::string_view function, std::string_view metric, std::string_view by,
                   std::string_view matchers) const;

  const std::string selector_;
  const std::string window_;
};

}  // namespace levada::render
