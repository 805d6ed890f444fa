// The first byte says which state the rest is: bytes as from a changelog, that anybody may have
// written; or what is to be changed in one that is right, two bytes where and one what. What Check
// lets through can be used: events are added, some late, and values are read. No input may crash,
// read or write foreign memory, or overflow.
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
    std::vector<Call> calls = {{"count()"},   {"sum(x)"}, {"avg(x)"},
                               {"stddev(x)"}, {"min(x)"}, {"sum(n)"}};
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
    for (uint8_t kind = 0; kind < 3; ++kind) right_[kind] = MakeRight(kind);
  }

  // Changes a state that is right.
  void RunChanged(uint8_t kind, std::string_view changes) {
    std::string bytes = right_[kind];
    for (; changes.size() >= 3; changes.remove_prefix(3)) {
      bytes[Load<uint16_t>(changes.data()) % bytes.size()] = changes[2];
    }
    Run(kind, bytes);
  }

  void Run(uint8_t kind, std::string_view bytes) {
    OwnedBlob blob;
    blob.Assign(bytes);
    was_right_ = bytes == right_[kind % 3];
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

  // Numbers that are wrong may go on to others that Check refuses; those that are right do not.
  void StaysRight(bool right) const {
    if (was_right_ && !right) __builtin_trap();
  }

  std::string MakeRight(uint8_t kind) {
    OwnedBlob blob;
    for (int i = 0; i < 40; ++i) {
      const int64_t time = i * 3 * kSecond;
      if (kind == 0) {
        sliding_->Update(&blob, time, std::numeric_limits<int64_t>::min(), Event(*sliding_set_, i),
                         &arena_, results_);
      } else if (kind == 1) {
        window_->Add(&blob, time, Event(*window_set_, i));
      } else {
        sessions_->Add(&blob, i % 4 * 40 * kSecond, 0, Event(*window_set_, i));
      }
    }
    return std::string(blob.view());
  }

  void Slide(Blob* blob) {
    const int64_t newest = sliding_->ExpiresAt(blob->view()) - 80 * kSecond;
    const int64_t steps[] = {0, 1, 5, -3, -15, -40, 12, 3, 30, 2, -10, 200};
    int64_t time = newest;
    for (int i = 0; i < 12; ++i) {
      time += steps[i] * kSecond;
      sliding_->Update(blob, time, std::numeric_limits<int64_t>::min(), Event(*sliding_set_, i),
                       &arena_, results_);
      StaysRight(sliding_->Check(blob).ok());
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
    StaysRight(window_->Check(blob).ok());
  }

  void AddToSessions(Blob* blob) {
    const auto results = std::span(results_).first(window_set_->size());
    SessionState::Session session;
    if (!sessions_->empty(*blob)) sessions_->NextClose(blob);
    for (int i = 0; i < 6; ++i) {
      sessions_->Add(blob, i * 7 * kSecond, 0, Event(*window_set_, i));
    }
    StaysRight(sessions_->Check(blob).ok());
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
  std::string right_[3];  // by kind
  bool was_right_ = false;
};

}  // namespace
}  // namespace levada::aggregate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static levada::aggregate::World plain(false);
  static levada::aggregate::World heap(true);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto& world = data[0] & 4 ? heap : plain;
  const auto kind = static_cast<uint8_t>((data[0] & 3) % 3);
  if (data[0] & 8) {
    world.RunChanged(kind, bytes);
  } else {
    world.Run(kind, bytes);
  }
  return 0;
}
