#include "cli/generate.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/generate_options.h"
#include "cli/generate_sink.h"
#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::atomic<bool> g_stop = false;

// Ctrl-C and SIGTERM end the generation; a second one ends the process.
class StopOnSignal {
 public:
  StopOnSignal() {
    g_stop = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { g_stop = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  ~StopOnSignal() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }

 private:
  struct sigaction interrupt_;
  struct sigaction terminate_;
};

// 1234567 as 1,234,567.
std::string Grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

// A line on standard error: rewritten in place on a terminal, else every five seconds.
class Progress {
 public:
  void Show(uint64_t events) {
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + (terminal_ ? milliseconds(200) : milliseconds(5'000));
    std::fprintf(stderr, terminal_ ? "\r%s\033[K" : "%s\n", Line(events).c_str());
  }

  void Finish(uint64_t events) {
    std::fprintf(stderr, terminal_ ? "\r%s\033[K\n" : "%s\n", Line(events).c_str());
  }

 private:
  std::string Line(uint64_t events) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    return absl::StrFormat("%s events in %.1f s, %s a second", Grouped(events), seconds,
                           Grouped(static_cast<uint64_t>(static_cast<double>(events) / seconds)));
  }

  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_ + (terminal_ ? milliseconds(500) : milliseconds(5'000));
};

absl::StatusOr<std::unique_ptr<EventSink>> Open(const Destination& target,
                                                const GenerateOptions& options) {
  switch (target.kind) {
    case Destination::Kind::kFile:
      return OpenFileSink(target.name);
    case Destination::Kind::kHttp:
      return OpenHttpSink(target.name, options.batch, &g_stop);
    case Destination::Kind::kKafka:
      return OpenKafkaSink(options.brokers, target.name);
    case Destination::Kind::kNone:
      break;
  }
  return std::unique_ptr<EventSink>();
}

class Generation {
 public:
  explicit Generation(const GenerateOptions& options)
      : options_(options), simulator_(options.simulator) {}

  absl::Status Run() {
    if (!simulator_.CanTransact()) {
      return absl::FailedPreconditionError(
          "no customer has a terminal nearby: give more --terminals or --customers");
    }
    if (auto status = OpenSinks(); !status.ok()) return status;
    absl::Status status = options_.rate > 0 ? AtRate() : AtFullSpeed();
    for (EventSink* sink : {events_.get(), labels_.get()}) {
      if (sink != nullptr && status.ok()) status = sink->Close();
    }
    progress_.Finish(written_);
    if (status.ok() && events_->refused() > 0) {
      status = absl::FailedPreconditionError(
          base::StrCat(Grouped(events_->refused()), " of ", Grouped(written_),
                       " events were refused, ", "the first: ", events_->refusal()));
    }
    return status;
  }

 private:
  absl::Status OpenSinks() {
    auto events = Open(options_.to, options_);
    if (!events.ok()) return events.status();
    auto labels = Open(options_.labels, options_);
    if (!labels.ok()) return labels.status();
    events_ = *std::move(events);
    labels_ = *std::move(labels);
    return absl::OkStatus();
  }

  absl::Status Write(const generate::Transaction& transaction) {
    text_.clear();
    key_.clear();
    if (options_.label_field) {
      AppendLabelledEvent(transaction, &text_);
    } else {
      AppendEvent(transaction, &text_);
    }
    AppendKey(transaction, options_.key, &key_);
    if (auto status = events_->Write(key_, text_); !status.ok()) return status;
    if (labels_ != nullptr) {
      text_.clear();
      AppendLabel(transaction, &text_);
      if (auto status = labels_->Write(key_, text_); !status.ok()) return status;
    }
    if (++written_ % 1'024 == 0) progress_.Show(written_);
    return absl::OkStatus();
  }

  absl::Status AtFullSpeed() {
    generate::Transaction transaction;
    while (written_ < options_.count && !g_stop && simulator_.Next(&transaction)) {
      if (auto status = Write(transaction); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Every few milliseconds writes what is due since the start, so that the rate is kept on average
  // also over a pause of the other side.
  absl::Status AtRate() {
    constexpr milliseconds kTick{20};
    const Clock::time_point start = Clock::now();
    int64_t from_ms = base::NowMicros() / 1'000;
    for (Clock::time_point tick = start; written_ < options_.count && !g_stop; tick += kTick) {
      std::this_thread::sleep_until(tick);
      const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
      const uint64_t due =
          std::min(options_.count, static_cast<uint64_t>(elapsed * options_.rate) + 1) - written_;
      if (due == 0) continue;
      const int64_t to_ms = std::max(from_ms, base::NowMicros() / 1'000);
      auto more = WriteDue(due, from_ms, to_ms);
      from_ms = to_ms;
      if (!more.ok()) return more.status();
      if (!*more) break;
      for (EventSink* sink : {events_.get(), labels_.get()}) {
        if (sink == nullptr) continue;
        if (auto status = sink->Push(); !status.ok()) return status;
      }
      progress_.Show(written_);
    }
    return absl::OkStatus();
  }

  // False: there are no more events.
  absl::StatusOr<bool> WriteDue(uint64_t due, int64_t from_ms, int64_t to_ms) {
    if (options_.live) {
      due_.clear();
      simulator_.Generate(from_ms, to_ms, due, &due_);
      for (const generate::Transaction& transaction : due_) {
        if (auto status = Write(transaction); !status.ok()) return status;
      }
      return true;
    }
    generate::Transaction transaction;
    for (uint64_t i = 0; i < due && !g_stop; ++i) {
      if (!simulator_.Next(&transaction)) return false;
      if (auto status = Write(transaction); !status.ok()) return status;
    }
    return true;
  }

  const GenerateOptions options_;
  generate::FraudSimulator simulator_;
  std::unique_ptr<EventSink> events_;
  std::unique_ptr<EventSink> labels_;
  Progress progress_;
  uint64_t written_ = 0;
  std::string text_;
  std::string key_;
  std::vector<generate::Transaction> due_;
};

}  // namespace

int RunGenerate(std::span<const std::string_view> args) {
  if (args.empty() || args[0] != "fraud") {
    const bool help = !args.empty() && (args[0] == "--help" || args[0] == "-h");
    std::fputs("Usage: levada generate fraud [FLAG…]   (levada generate fraud --help tells more)\n",
               help ? stdout : stderr);
    return help ? 0 : 2;
  }
  auto options = ParseGenerateFraud(args.subspan(1));
  if (!options.ok()) {
    std::fprintf(stderr,
                 "levada generate fraud: %s\nSee levada generate fraud --help for the flags.\n",
                 std::string(base::View(options.status().message())).c_str());
    return 2;
  }
  if (!options->has_value()) {
    std::fwrite(kGenerateFraudHelp.data(), 1, kGenerateFraudHelp.size(), stdout);
    return 0;
  }
  StopOnSignal stop_on_signal;
  const absl::Status status = Generation(**options).Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "levada generate fraud: %s\n",
               std::string(base::View(status.message())).c_str());
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace levada::cli
