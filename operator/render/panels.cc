#include "operator/render/panels.h"

#include <algorithm>

namespace levada::render {
namespace {

using kube::Json;

constexpr int kColumns = 24;

// The variable of the dashboard by which its reader chooses a Prometheus.
Json Prometheus() { return {{"type", "prometheus"}, {"uid", "${prometheus}"}}; }

Json Panel(std::string_view type, std::string_view title) {
  return {{"type", type}, {"title", title}, {"datasource", Prometheus()}};
}

Json Targets(const std::vector<Target>& targets) {
  Json out = Json::array();
  char id = 'A';
  for (const Target& target : targets) {
    out.push_back({{"refId", std::string(1, id++)},
                   {"datasource", Prometheus()},
                   {"expr", target.query},
                   {"legendFormat", target.legend}});
  }
  return out;
}

}  // namespace

Json TimeSeries(std::string_view title, std::string_view unit, const std::vector<Target>& targets) {
  Json panel = Panel("timeseries", title);
  panel["targets"] = Targets(targets);
  panel["fieldConfig"]["defaults"] = {
      {"unit", unit}, {"min", 0}, {"custom", {{"fillOpacity", 10}, {"showPoints", "never"}}}};
  panel["fieldConfig"]["overrides"] = Json::array();
  panel["options"] = {{"legend", {{"displayMode", "list"}, {"placement", "bottom"}}},
                      {"tooltip", {{"mode", "multi"}, {"sort", "desc"}}}};
  return panel;
}

Json Stat(std::string_view title, std::string_view unit, const std::string& query, double alarm) {
  Json panel = Panel("stat", title);
  panel["targets"] = Targets({{"", query}});
  Json steps = Json::array({{{"color", "green"}, {"value", nullptr}}});
  if (alarm > 0) steps.push_back({{"color", "red"}, {"value", alarm}});
  panel["fieldConfig"]["defaults"] = {
      {"unit", unit}, {"noValue", "–"}, {"thresholds", {{"mode", "absolute"}, {"steps", steps}}}};
  panel["fieldConfig"]["overrides"] = Json::array();
  panel["options"]["reduceOptions"] = {{"calcs", Json::array({"lastNotNull"})}};
  return panel;
}

Json Heatmap(std::string_view title, const std::string& query) {
  Json panel = Panel("heatmap", title);
  panel["targets"] = Targets({{"{{le}}", query}});
  panel["targets"][0]["format"] = "heatmap";
  panel["options"] = {{"calculate", false},
                      {"yAxis", {{"unit", "short"}}},
                      {"color", {{"mode", "scheme"}, {"scheme", "Spectral"}}}};
  return panel;
}

Json Markdown(std::string_view text) {
  Json panel = {{"type", "text"}, {"title", ""}, {"transparent", true}};
  panel["options"] = {{"mode", "markdown"}, {"content", text}};
  return panel;
}

Json& Panels::Target() { return collapsed_ ? panels_.back()["panels"] : panels_; }

void Panels::Row(std::string_view title, bool collapsed) {
  collapsed_ = false;
  y_ += height_;
  x_ = height_ = 0;
  Json row = {{"type", "row"}, {"title", title}, {"collapsed", collapsed}};
  row["panels"] = Json::array();
  Add(std::move(row), kColumns, 1);
  collapsed_ = collapsed;
}

void Panels::Add(Json panel, int width, int height) {
  if (x_ + width > kColumns) {
    y_ += height_;
    x_ = height_ = 0;
  }
  panel["id"] = next_id_++;
  panel["gridPos"] = {{"x", x_}, {"y", y_}, {"w", width}, {"h", height}};
  x_ += width;
  height_ = std::max(height_, height);
  Target().push_back(std::move(panel));
}

Json Panels::Take() { return std::move(panels_); }

}  // namespace levada::render
