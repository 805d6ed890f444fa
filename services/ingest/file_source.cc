#include "services/ingest/file_source.h"

#include <algorithm>
#include <chrono>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "services/ingest/split.h"

namespace levada::ingest {
namespace {

using Clock = std::chrono::steady_clock;

// A transaction is committed at the first of these, and at the file's end.
constexpr size_t kCommitRecords = 20'000;
constexpr size_t kCommitBytes = 8 << 20;
constexpr std::chrono::milliseconds kCommitEvery{500};
constexpr std::chrono::milliseconds kLookAgain{100};
constexpr std::chrono::milliseconds kRateStep{10};

}  // namespace

FileSource::FileSource(const runtime::StageContext& context, const Validator& validator,
                       Probe& probe)
    : context_(context),
      validator_(validator),
      probe_(probe),
      path_(context.stage.ingest().file().path()),
      file_options_{.path = context.FilePath(path_),
                    .follow = context.stage.ingest().file().follow(),
                    .max_line_bytes = validator.max_event_bytes()},
      rate_(context.stage.ingest().max_rate()),
      scratch_(validator) {}

absl::Status FileSource::Run(const std::function<void()>& ready) {
  valid_ = valid_bytes_ = dead_ = 0;  // of an attempt that failed: not committed, read again
  auto log = FileLog::Open(context_, path_);
  if (!log.ok()) return log.status();
  const auto from = (*log)->Load();
  if (!from.ok()) return from.status();
  FollowedFile file(file_options_);
  if (absl::Status status = file.Open(*from); !status.ok()) return status;
  base::LogInfo("reading a file", {{"path", file_options_.path}, {"offset", from->offset}});
  ready();
  return Loop(**log, file);
}

absl::Status FileSource::Loop(FileLog& log, FollowedFile& file) {
  auto committed_at = Clock::now();
  bool told = false;
  while (!stopper_.stopped()) {
    Line line;
    absl::StatusOr<bool> got = false;
    if (!context_.control.paused()) got = file.Next(&line);
    if (!got.ok()) return got.status();
    bool ahead = false;  // of maxRate, with this line
    if (*got) {
      if (absl::Status status = Take(line, log); !status.ok()) return status;
      ahead = rate_.Take(1, Clock::now()).count() > 0;
    }
    const bool due = !*got || ahead || log.pending_records() >= kCommitRecords ||
                     log.pending_bytes() >= kCommitBytes ||
                     Clock::now() - committed_at >= kCommitEvery;
    if (due) {
      if (absl::Status status = Commit(log, file); !status.ok()) return status;
      committed_at = Clock::now();
    }
    while (ahead && stopper_.Sleep(kRateStep)) {
      ahead = rate_.Take(1, Clock::now()).count() > 0;
    }
    if (*got) continue;
    if (file.finished() && !told) {
      told = true;
      base::LogInfo("the file was read to its end", {{"path", file_options_.path}});
    }
    stopper_.Sleep(kLookAgain);
  }
  return Commit(log, file);
}

absl::Status FileSource::Take(const Line& line, FileLog& log) {
  Line trimmed = line;
  trimmed.text = Trim(line.text);
  if (trimmed.text.empty() && !line.cut) return absl::OkStatus();
  Event event;
  Fault fault;
  scratch_.Reset();
  const size_t limit =
      std::min(validator_.max_event_bytes(), static_cast<size_t>(log.max_event_bytes()));
  bool valid = false;
  if (line.cut || trimmed.text.size() > limit) {
    fault.reason = Fault::Reason::kTooLarge;
    fault.text = base::StrCat("the event has ", line.size, " bytes, more than the ", limit,
                              " that are allowed");
  } else {
    valid = validator_.Check(trimmed.text, &scratch_, &event, &fault);
  }
  if (valid) {
    ++valid_;
    valid_bytes_ += event.bytes.size();
    return log.Write(event);
  }
  ++dead_;
  probe_.Invalid(fault.reason, 1);
  return log.WriteDead(trimmed, fault.text);
}

absl::Status FileSource::Commit(FileLog& log, const FollowedFile& file) {
  if (log.pending_records() == 0) return absl::OkStatus();
  const auto begun = Clock::now();
  const absl::StatusOr<Position> position = file.PositionNow();
  if (!position.ok()) return position.status();
  if (absl::Status status = log.Commit(*position); !status.ok()) return status;
  context_.metrics.Commit(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun));
  context_.metrics.In(valid_ + dead_, valid_bytes_);
  context_.metrics.Out(valid_, valid_bytes_);
  context_.metrics.DeadLetters(dead_);
  probe_.Accepted(valid_);
  valid_ = valid_bytes_ = dead_ = 0;
  return absl::OkStatus();
}

}  // namespace levada::ingest
