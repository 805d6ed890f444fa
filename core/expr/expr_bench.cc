// Nanoseconds for one evaluation, decoding of the fields that it reads included.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>

#include "core/expr/program.h"

namespace levada::expr {
namespace {

constexpr std::string_view kEvent =
    R"({"event_id":"c7136df1-9962-4e23-8395-a339df6708dc","event_time":"2026-11-02T08:00:32.423Z",)"
    R"("entity_id":"156-23-3985","country":"DE","product_category":"shopping_pos",)"
    R"("billing_latitude":42.3189,"transaction_amt":584.33,"transaction_currency":"gbp",)"
    R"("device":{"os":"linux","age_days":12},"tags":["new","mobile","night"]})";

void Evaluate(benchmark::State& state, std::string_view expression, bool declared) {
  Env env;
  if (declared) {
    env.DeclareField("transaction_amt", FieldType::kDouble);
    env.DeclareField("event_time", FieldType::kTimestamp);
    env.DeclareField("country", FieldType::kString);
  }
  const auto program = Compile(expression, &env);
  if (!program.ok()) {
    std::cerr << expression << ": " << program.status() << '\n';
    std::exit(1);
  }
  std::vector<json::Value> slots(env.fields().size());
  json::ScanInfo info;
  if (!json::Scan(kEvent, env.fields(), slots, &info).ok()) std::exit(1);
  base::Arena arena;
  Activation activation(env, &arena);
  for (auto _ : state) {
    activation.Begin(kEvent, slots);
    Value value = program->Eval(activation);
    benchmark::DoNotOptimize(value);
    arena.Reset();
  }
}

BENCHMARK_CAPTURE(Evaluate, amount_and_country, "transaction_amt > 100.0 && country != \"US\"",
                  true);
BENCHMARK_CAPTURE(Evaluate, amount_and_country_undeclared,
                  "transaction_amt > 100.0 && country != \"US\"", false);
BENCHMARK_CAPTURE(Evaluate, arithmetic, "transaction_amt * 1.1 / (billing_latitude + 1)", true);
BENCHMARK_CAPTURE(Evaluate, in_short_list, "country in [\"US\", \"GB\", \"DE\"]", true);
BENCHMARK_CAPTURE(Evaluate, in_long_list,
                  "country in [\"AT\", \"BE\", \"BG\", \"CY\", \"CZ\", \"DE\", \"DK\", \"EE\", "
                  "\"ES\", \"FI\", \"FR\"]",
                  true);
BENCHMARK_CAPTURE(Evaluate, hour_of_timestamp, "event_time.getHours() < 6", true);
BENCHMARK_CAPTURE(Evaluate, nested_field, "device.age_days < 30", true);
BENCHMARK_CAPTURE(Evaluate, regular_expression, "product_category.matches(\"^shopping_\")", true);
BENCHMARK_CAPTURE(Evaluate, exists, "tags.exists(t, t == \"night\")", true);
BENCHMARK_CAPTURE(Evaluate, rule,
                  "transaction_amt > 500 && country in [\"US\", \"DE\"] && device.age_days < 30 && "
                  "event_time.getHours() >= 6",
                  true);
BENCHMARK_CAPTURE(Evaluate, extract, "regex.extract(product_category, \"_([a-z]+)$\").hasValue()",
                  true);
BENCHMARK_CAPTURE(Evaluate, truncate_to_hour, "event_time.truncate(\"hour\")", true);
BENCHMARK_CAPTURE(Evaluate, truncate_to_day_in_zone,
                  "event_time.truncate(\"day\", \"Europe/Berlin\")", true);
BENCHMARK_CAPTURE(Evaluate, format_time, "formatTime(event_time, \"%Y-%m-%d\")", true);
BENCHMARK_CAPTURE(Evaluate, xx64, "hash.xx64(entity_id)", true);
BENCHMARK_CAPTURE(Evaluate, sha256, "hash.sha256(entity_id)", true);
BENCHMARK_CAPTURE(Evaluate, geo_distance,
                  "geo.distance(billing_latitude, 13.405, 48.8566, 2.3522) > 1000", true);
BENCHMARK_CAPTURE(Evaluate, url_parameter,
                  "url.parameter(\"https://shop.example.com/a?id=17&\" + entity_id, \"id\")", true);
BENCHMARK_CAPTURE(Evaluate, concatenation, "country + \"-\" + transaction_currency", true);

}  // namespace
}  // namespace levada::expr

BENCHMARK_MAIN();
