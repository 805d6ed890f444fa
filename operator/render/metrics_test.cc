// Every query of alerts and dashboards uses metrics and labels that docs/metrics.md has.

#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "core/base/strings.h"
#include "core/pipeline/testing.h"
#include "operator/render/testing.h"

namespace levada::render {
namespace {

using kube::Json;

struct Metric {
  std::string type;
  std::map<std::string, std::set<std::string>> labels;  // with their values, where those are listed
};

// The labels of a table's cell: "`transport`: `http`, `grpc`; `status`: of HTTP".
std::map<std::string, std::set<std::string>> ParseLabels(const std::string& cell) {
  std::map<std::string, std::set<std::string>> labels = {
      {"namespace", {}}, {"pipeline", {}}, {"stage", {}}};
  static const std::regex label("`(\\w+)`(:?)");
  std::string name;
  for (std::sregex_iterator match(cell.begin(), cell.end(), label), end; match != end; ++match) {
    const bool first = match->position() == 0 || cell.substr(match->position() - 2, 2) == "; ";
    if (first) labels[name = (*match)[1]];
    if (!first) labels[name].insert((*match)[1]);
  }
  return labels;
}

std::map<std::string, Metric> Documented() {
  std::map<std::string, Metric> metrics;
  const std::string page = pipeline::ReadTestFile("docs/metrics.md");
  static const std::regex row("\\| `(levada_\\w+)` \\| (\\w+) \\| ([^|]*?) ?\\|");
  for (std::sregex_iterator match(page.begin(), page.end(), row), end; match != end; ++match) {
    metrics[(*match)[1]] = {(*match)[2], ParseLabels((*match)[3])};
  }
  return metrics;
}

// All queries below a tree: `expr` of Grafana's targets and of Prometheus' rules.
void CollectQueries(const Json& tree, std::set<std::string>* queries) {
  if (tree.is_object() && tree.contains("expr")) queries->insert(tree["expr"].get<std::string>());
  if (!tree.is_structured()) return;
  for (const Json& child : tree) CollectQueries(child, queries);
}

std::set<std::string> QueriesOf(const Scene& scene) {
  std::set<std::string> queries;
  for (const Json& object : scene.Objects()) {
    CollectQueries(object, &queries);
    if (kube::LabelOf(object, "grafana_dashboard").empty()) continue;
    CollectQueries(Json::parse(object["data"].begin()->get<std::string>()), &queries);
  }
  return queries;
}

// A metric in a query, without the suffix of a histogram's series.
const Metric* Find(const std::map<std::string, Metric>& metrics, const std::string& name) {
  static const std::regex suffix("_(bucket|sum|count)$");
  const std::string base = std::regex_replace(name, suffix, "");
  const auto histogram = metrics.find(base);
  if (base != name && histogram != metrics.end()) {
    return histogram->second.type == "histogram" ? &histogram->second : nullptr;
  }
  const auto plain = metrics.find(name);
  if (plain == metrics.end() || plain->second.type == "histogram") return nullptr;
  return &plain->second;
}

void Check(const std::map<std::string, Metric>& metrics, const std::string& query) {
  static const std::regex series("(levada_\\w+)\\{([^}]*)\\}");
  static const std::regex matcher("(\\w+)=\"([^\"]*)\"");
  static const std::regex grouping("by \\(([^)]*)\\)");
  static const std::regex counter_function("(rate|increase|resets)\\((levada_\\w+)");
  std::set<std::string> labels = {"le"};
  size_t found = 0;
  for (std::sregex_iterator at(query.begin(), query.end(), series), end; at != end; ++at, ++found) {
    const Metric* metric = Find(metrics, (*at)[1]);
    ASSERT_NE(metric, nullptr) << (*at)[1] << " in " << query;
    const std::string matchers = (*at)[2];
    EXPECT_THAT(matchers, testing::StartsWith("namespace=\"shop\",pipeline=\"")) << query;
    for (std::sregex_iterator m(matchers.begin(), matchers.end(), matcher); m != end; ++m) {
      const auto label = metric->labels.find((*m)[1]);
      ASSERT_NE(label, metric->labels.end()) << (*m)[1] << " in " << query;
      EXPECT_TRUE(label->second.empty() || label->second.contains((*m)[2])) << query;
    }
    for (const auto& [label, values] : metric->labels) labels.insert(label);
  }
  EXPECT_GT(found, 0u) << query;
  for (std::sregex_iterator at(query.begin(), query.end(), grouping), end; at != end; ++at) {
    const std::string names = (*at)[1];
    static const std::regex word("\\w+");
    for (std::sregex_iterator name(names.begin(), names.end(), word); name != end; ++name) {
      EXPECT_THAT(labels, testing::Contains(name->str())) << query;
    }
  }
  for (std::sregex_iterator at(query.begin(), query.end(), counter_function), end; at != end;
       ++at) {
    EXPECT_NE(Find(metrics, (*at)[2])->type, "gauge") << query;
  }
}

TEST(MetricsTest, ThePageIsReadAsMeant) {
  const std::map<std::string, Metric> metrics = Documented();
  EXPECT_GT(metrics.size(), 35u);
  EXPECT_EQ(metrics.at("levada_errors_total").type, "counter");
  EXPECT_THAT(metrics.at("levada_errors_total").labels.at("error_type"),
              testing::UnorderedElementsAre("kafka", "destination", "source"));
  EXPECT_THAT(metrics.at("levada_ingest_requests_total").labels.at("status"), testing::IsEmpty());
  EXPECT_EQ(Find(metrics, "levada_latency_seconds"), nullptr) << "a histogram has no such series";
  EXPECT_NE(Find(metrics, "levada_latency_seconds_bucket"), nullptr);
  EXPECT_EQ(Find(metrics, "levada_lag_records_bucket"), nullptr);
}

TEST(MetricsTest, QueriesUseOnlyWhatThePageHas) {
  const std::map<std::string, Metric> metrics = Documented();
  for (const char* manifest :
       {"manifests/samples/fraud-prevention.yaml", "operator/render/testdata/every-field.yaml"}) {
    const std::set<std::string> queries = QueriesOf(Scene::OfFile(manifest));
    EXPECT_GT(queries.size(), 50u);
    for (const std::string& query : queries) Check(metrics, query);
  }
}

TEST(MetricsTest, EveryStageHasARowWithItsKindsOwnMetrics) {
  const std::set<std::string> queries =
      QueriesOf(Scene::OfFile("manifests/samples/fraud-prevention.yaml"));
  std::string all;
  for (const std::string& query : queries) base::StrAppend(&all, query, "\n");
  for (const char* metric :
       {"levada_ingest_events_total", "levada_indexing_documents_total",
        "levada_archiving_rows_total", "levada_notify_sent_total", "levada_scoring_decisions_total",
        "levada_scoring_prediction_bucket"}) {
    EXPECT_THAT(all, testing::HasSubstr(metric));
  }
}

}  // namespace
}  // namespace levada::render
