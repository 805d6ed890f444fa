#include "services/ingest/schedule_source.h"

#include <algorithm>
#include <future>
#include <utility>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/base/units.h"
#include "core/generate/fraud_event.h"
#include "core/runtime/control.h"

namespace levada::ingest {
namespace {

constexpr size_t kBatch = 1000;
constexpr std::chrono::milliseconds kTick{50};

int64_t EveryMs(const v1::ScheduleSource& schedule) {
  const auto every = base::ParseDuration(schedule.every());
  return every.ok() ? std::max<int64_t>(every->count(), 1) : 60'000;  // checked with the manifest
}

generate::FraudOptions OptionsOf(const v1::ScheduleSource& schedule) {
  generate::FraudOptions options;
  options.days = 0;
  if (schedule.seed() != 0) options.seed = schedule.seed();
  return options;
}

int64_t NowMs() { return base::NowMicros() / 1000; }

}  // namespace

ScheduleSource::ScheduleSource(const runtime::StageContext& context, Intake& intake)
    : context_(context),
      intake_(intake),
      every_ms_(EveryMs(context.stage.ingest().schedule())),
      count_(context.stage.ingest().schedule().count()),
      simulator_(OptionsOf(context.stage.ingest().schedule())) {}

absl::Status ScheduleSource::Run(const std::function<void()>& ready) {
  ready();
  int64_t span = NowMs() / every_ms_;  // under way now
  while (stopper_.Sleep(kTick)) {
    const int64_t now = NowMs() / every_ms_;
    if (now == span || context_.control.paused()) continue;
    RunOnce((now - 1) * every_ms_);
    span = now;
  }
  intake_.BeginDrain();
  return absl::OkStatus();
}

void ScheduleSource::RunOnce(int64_t from_ms) {
  std::vector<generate::Transaction> transactions;
  simulator_.Generate(from_ms, from_ms + every_ms_, count_, &transactions);
  for (size_t begin = 0; begin < transactions.size() && !stopper_.stopped(); begin += kBatch) {
    std::vector<std::string> events;
    for (size_t i = begin; i < std::min(begin + kBatch, transactions.size()); ++i) {
      generate::AppendEvent(transactions[i], &events.emplace_back());
    }
    Deliver(std::move(events));
  }
}

void ScheduleSource::Deliver(std::vector<std::string> events) {
  while (!events.empty()) {
    const std::vector<std::string_view> views(events.begin(), events.end());
    std::promise<Outcome> answered;
    intake_.Publish({.events = views},
                    [&](Outcome outcome) { answered.set_value(std::move(outcome)); });
    const Outcome outcome = answered.get_future().get();
    std::vector<std::string> again;
    if (outcome.kind == Outcome::Kind::kAnswered) {
      for (size_t i = 0; i < events.size(); ++i) {
        const EventResult& result = outcome.results[i];
        if (result.code == EventResult::Code::kUnavailable) {
          again.push_back(std::move(events[i]));
        } else if (result.code == EventResult::Code::kInvalid) {
          static base::LogLimiter limiter{std::chrono::seconds(60)};
          base::LogEvery(limiter, base::LogLevel::kError,
                         "a generated event does not fit the topic", {{"error", result.error}});
        }
      }
      if (again.empty()) return;
    } else {
      again = std::move(events);
    }
    events = std::move(again);
    if (!stopper_.Sleep(outcome.retry_after)) return;
  }
}

}  // namespace levada::ingest
