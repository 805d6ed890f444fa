// The first byte says which state the rest is: bytes as from a changelog, that anybody may have
// written. What Check lets through can be used: events are added, some late, and values are read.
// No input may crash, read or write foreign memory, or overflow.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/aggregate/sliding.h"
#include "core/aggregate/window.h"
#include "core/json/scan.h"

namespace levada::aggregate {
namespace {

constexpr int64_t kSecond = 1'000'000;

// Everything that the states are used with.
class World {
 public:
  explicit World(bool heap) {
    std::vector<Call> calls = {{"count()"},   {"sum(x)"},       {"avg(x)"},
                               {"stddev(x)"}, {"min(x + 0.0)"}, {"sum(n)"}};
    if (heap) {
      for (const char* call :
           {"distinct(s)", "quantile(x, 0.9)", "first(s)", "last(s)", "max(s)"}) {
        calls.push_back({call, ""});
      }
    }
    env_.DeclareField("x", expr::FieldType::kDouble);
    env_.DeclareField("n", expr::FieldType::kLong);
    window_set_.emplace(*AggregateSet::Compile(calls, Use::kWindow, &env_));
    calls.push_back({"time_since_last()", ""});
    sliding_set_.emplace(*AggregateSet::Compile(calls, Use::kSliding, &env_));
    sliding_.emplace(*SlidingState::Make(
        &*sliding_set_,
        {.spans_us = {10 * kSecond, 60 * kSecond}, .panes = 5, .lateness_us = 20 * kSecond}));
    window_.emplace(&*window_set_);
    sessions_.emplace(&*window_set_, 10 * kSecond, 100 * kSecond);
    slots_.resize(env_.fields().size());
    activation_.emplace(env_, &arena_);
    results_.resize(2 * sliding_set_->size());
  }

  void Run(uint8_t kind, std::string_view bytes) {
    OwnedBlob blob;
    blob.Assign(bytes);
    arena_.Reset();
    if (kind == 0) {
      if (sliding_->Check(&blob).ok()) Slide(&blob);
    } else if (kind == 1) {
      if (window_->Check(&blob).ok()) AddToWindow(&blob);
    } else if (sessions_->Check(&blob).ok()) {
      AddToSessions(&blob);
    }
    Read();
  }

 private:
  const Inputs& Event(const AggregateSet& set, int i) {
    static constexpr std::string_view kEvents[] = {
        R"({"x":1.5,"n":7,"s":"a"})", R"({"x":-1e100,"n":-9223372036854775808,"s":"bcdefghijk"})",
        R"({"n":9223372036854775807,"s":null})"};
    const std::string_view event = kEvents[i % 3];
    json::ScanInfo info;
    if (!json::Scan(event, env_.fields(), slots_, &info).ok()) __builtin_trap();
    activation_->Begin(event, slots_);
    if (!set.Evaluate(*activation_, &inputs_, &error_)) __builtin_trap();
    return inputs_;
  }

  void Slide(Blob* blob) {
    const int64_t newest = sliding_->ExpiresAt(blob->view()) - 80 * kSecond;
    const int64_t steps[] = {0, 1, 5, -3, -15, -40, 12, 3, 30, 2, -10, 200};
    int64_t time = newest;
    for (int i = 0; i < 12; ++i) {
      time += steps[i] * kSecond;
      sliding_->Update(blob, time, std::numeric_limits<int64_t>::min(), Event(*sliding_set_, i),
                       &arena_, results_);
      if (!sliding_->Check(blob).ok()) __builtin_trap();
    }
  }

  void AddToWindow(Blob* blob) {
    OwnedBlob other;
    for (int i = 0; i < 4; ++i) {
      window_->Add(blob, i, Event(*window_set_, i));
      window_->Add(&other, i, Event(*window_set_, i));
    }
    window_->Merge(&other, blob);
    window_->Merge(blob, &other);
    window_->Results(blob, &arena_, std::span(results_).first(window_set_->size()));
    if (!window_->Check(blob).ok()) __builtin_trap();
  }

  void AddToSessions(Blob* blob) {
    const auto results = std::span(results_).first(window_set_->size());
    SessionState::Session session;
    if (!sessions_->empty(*blob)) sessions_->NextClose(blob);
    for (int i = 0; i < 6; ++i) {
      sessions_->Add(blob, i * 7 * kSecond, 0, Event(*window_set_, i));
    }
    if (!sessions_->Check(blob).ok()) __builtin_trap();
    for (int64_t watermark : {kSecond, 20 * kSecond, std::numeric_limits<int64_t>::max()}) {
      while (sessions_->Close(blob, watermark, &session, &arena_, results)) Read();
    }
    if (!sessions_->empty(*blob)) __builtin_trap();
  }

  // All values can be written.
  void Read() {
    std::string out;
    for (expr::Value& value : results_) {
      expr::AppendJson(value, &out);
      value = expr::Value();
    }
  }

  expr::Env env_;
  std::optional<AggregateSet> window_set_;
  std::optional<AggregateSet> sliding_set_;
  std::optional<SlidingState> sliding_;
  std::optional<WindowState> window_;
  std::optional<SessionState> sessions_;
  std::vector<json::Value> slots_;
  base::Arena arena_;
  std::optional<expr::Activation> activation_;
  Inputs inputs_;
  std::string error_;
  std::vector<expr::Value> results_;
};

}  // namespace
}  // namespace levada::aggregate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static levada::aggregate::World plain(false);
  static levada::aggregate::World heap(true);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (data[0] & 4 ? heap : plain).Run(data[0] & 3, bytes);
  return 0;
}
