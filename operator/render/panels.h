#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/object.h"

// The pieces of a Grafana dashboard, set out on its grid of 24 columns.
//
//   Panels panels;
//   panels.Row("detect");
//   panels.Add(TimeSeries("Lag", "short", {{"lag", query}}), 8, 7);
//   dashboard["panels"] = panels.Take();
//
// Threads: one.
namespace levada::render {

struct Target {
  std::string legend;  // "{{result}}"
  std::string query;   // PromQL
};

// `unit` is one of Grafana's: "short", "s", "Bps", "cps" (events a second).
kube::Json TimeSeries(std::string_view title, std::string_view unit,
                      const std::vector<Target>& targets);
// One number. With `alarm`, red from that value on.
kube::Json Stat(std::string_view title, std::string_view unit, const std::string& query,
                double alarm = 0);
// A histogram over time; `query` gives the rate of its buckets by `le`.
kube::Json Heatmap(std::string_view title, const std::string& query);
kube::Json Markdown(std::string_view text);

class Panels {
 public:
  // Begins a row with a heading; a collapsed one keeps what is added until the next row.
  void Row(std::string_view title, bool collapsed = false);
  // Puts a panel to the right of the last one, or below where there is no room.
  void Add(kube::Json panel, int width, int height);
  kube::Json Take();

 private:
  kube::Json& Target();

  kube::Json panels_ = kube::Json::array();
  bool collapsed_ = false;
  int x_ = 0;
  int y_ = 0;
  int height_ = 0;  // of the line of panels that is being filled
  int next_id_ = 1;
};

}  // namespace levada::render
