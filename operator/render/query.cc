#include "operator/render/query.h"

#include "core/base/strings.h"

namespace levada::render {
namespace {

// Namespaces, pipelines and stages are DNS labels: nothing in them has to be escaped.
std::string Selector(std::string_view name_space, std::string_view pipeline,
                     std::string_view stage) {
  std::string out = base::StrCat("namespace=\"", name_space, "\",pipeline=\"", pipeline, "\"");
  if (!stage.empty()) base::StrAppend(&out, ",stage=\"", stage, "\"");
  return out;
}

std::string SumBy(std::string_view by) {
  return by.empty() ? std::string("sum") : base::StrCat("sum by (", by, ") ");
}

}  // namespace

Query::Query(std::string_view name_space, std::string_view pipeline, std::string_view stage,
             std::string_view window)
    : selector_(Selector(name_space, pipeline, stage)), window_(window) {}

std::string Query::Series(std::string_view metric, std::string_view matchers) const {
  return base::StrCat(metric, "{", selector_, matchers.empty() ? "" : ",", matchers, "}");
}

std::string Query::Sum(std::string_view metric, std::string_view by) const {
  return base::StrCat(SumBy(by), "(", Series(metric), ")");
}

std::string Query::Over(std::string_view function, std::string_view metric, std::string_view by,
                        std::string_view matchers) const {
  return base::StrCat(SumBy(by), "(", function, "(", Series(metric, matchers), "[", window_, "]))");
}

std::string Query::Rate(std::string_view metric, std::string_view by,
                        std::string_view matchers) const {
  return Over("rate", metric, by, matchers);
}

std::string Query::Increase(std::string_view metric, std::string_view by) const {
  return Over("increase", metric, by, "");
}

std::string Query::Quantile(double quantile, std::string_view histogram) const {
  return base::StrCat("histogram_quantile(", quantile, ", ",
                      Rate(base::StrCat(histogram, "_bucket"), "le"), ")");
}

}  // namespace levada::render
