#include "cli/run/table.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "cli/run/status.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/units.h"

namespace levada::cli {
namespace {

std::string StateOf(const RunningStage& stage, const v1::StageStatus& status) {
  if (stage.drained()) return "ended";
  if (!stage.running()) return stage.last_end();
  if (!stage.answers()) return "starting";
  return StateText(status);
}

std::string Count(uint64_t number) {
  if (number < 1'000'000) return absl::StrFormat("%d", number);
  return absl::StrFormat("%.2fM", static_cast<double>(number) / 1e6);
}

std::string Millis(const v1::StageStatus& status, double ms) {
  if (status.uptime_s() == 0 || ms < 0) return "-";
  return ms < 10       ? absl::StrFormat("%.1fms", ms)
         : ms < 10'000 ? absl::StrFormat("%.0fms", ms)
                       : absl::StrFormat("%.0fs", ms / 1e3);
}

}  // namespace

std::vector<double> Rates::Update(const Stages& stages) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - at_).count();
  std::vector<double> rates(stages.size(), 0);
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < stages.size(); ++i) {
    const v1::StageStatus total = stages[i]->Total();
    counts.push_back(std::max(total.records_in(), total.records_out()));
    if (i < before_.size() && counts[i] > before_[i] && seconds > 0) {
      rates[i] = static_cast<double>(counts[i] - before_[i]) / seconds;
    }
  }
  before_ = std::move(counts);
  at_ = now;
  return rates;
}

std::string RenderTable(const Stages& stages, const std::vector<double>& rates, int width) {
  const auto clip = [width](std::string line) {
    if (width > 0 && line.size() > static_cast<size_t>(width)) line.resize(width);
    return line;
  };
  std::string text = clip(absl::StrFormat("%-14s %9s %9s %9s %9s %8s %7s %6s %8s %8s %8s  %s",
                                          "STAGE", "IN", "OUT", "BYTES IN", "BYTES OUT", "REC/S",
                                          "DEAD", "ERRORS", "LAG", "P50", "P99", "STATE"));
  for (size_t i = 0; i < stages.size(); ++i) {
    const v1::StageStatus total = stages[i]->Total();
    std::string state = StateOf(*stages[i], total);
    if (stages[i]->restarts() > 0) {
      base::StrAppend(&state, " (started again ", stages[i]->restarts(), "x)");
    }
    base::StrAppend(
        &text, "\n",
        clip(absl::StrFormat(
            "%-14s %9s %9s %9s %9s %8.0f %7d %6d %8s %8s %8s  %s", stages[i]->plan().name,
            Count(total.records_in()), Count(total.records_out()),
            base::FormatBytes(static_cast<int64_t>(total.bytes_in())),
            base::FormatBytes(static_cast<int64_t>(total.bytes_out())), rates[i],
            total.dead_letters(), total.errors(),
            total.lag() < 0 || !stages[i]->answers() ? "-" : absl::StrFormat("%d", total.lag()),
            Millis(total, total.latency_p50_ms()), Millis(total, total.latency_p99_ms()), state)));
  }
  return text;
}

std::string RenderJson(const Stages& stages, const std::vector<double>& rates, bool final) {
  nlohmann::json out;
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  out["time"] = base::FormatTimestamp(now.count());
  out["final"] = final;
  out["stages"] = nlohmann::json::array();
  for (size_t i = 0; i < stages.size(); ++i) {
    const v1::StageStatus total = stages[i]->Total();
    out["stages"].push_back({{"name", stages[i]->plan().name},
                             {"state", StateOf(*stages[i], total)},
                             {"records_in", total.records_in()},
                             {"records_out", total.records_out()},
                             {"bytes_in", total.bytes_in()},
                             {"bytes_out", total.bytes_out()},
                             {"filtered", total.records_filtered()},
                             {"dead_letters", total.dead_letters()},
                             {"late_events", total.late_events()},
                             {"errors", total.errors()},
                             {"records_per_second", rates[i]},
                             {"lag", stages[i]->answers() ? total.lag() : -1},
                             {"p50_ms", total.latency_p50_ms()},
                             {"p99_ms", total.latency_p99_ms()},
                             {"restarts", stages[i]->restarts()}});
  }
  return out.dump();
}

}  // namespace levada::cli
