#include "services/ingest/grpc_stream.h"

#include <utility>
#include <vector>

#include "core/base/strings.h"
#include "services/ingest/split.h"

namespace levada::ingest {
namespace {

using Clock = std::chrono::steady_clock;
using grpc::Status;
using grpc::StatusCode;

constexpr size_t kMaxKeyBytes = 256;

Status StatusOf(const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kAnswered:
      return Status::OK;
    case Outcome::Kind::kMalformed:
      return {StatusCode::INVALID_ARGUMENT, outcome.error};
    case Outcome::Kind::kBusy:
      return {StatusCode::RESOURCE_EXHAUSTED, outcome.error};
    case Outcome::Kind::kUnavailable:
      return {StatusCode::UNAVAILABLE, outcome.error};
    case Outcome::Kind::kConflict:
      return {StatusCode::FAILED_PRECONDITION, outcome.error};
  }
  return {StatusCode::INTERNAL, "unknown outcome"};
}

void Fill(std::vector<EventResult>& results, v1::PublishResponse* response) {
  response->mutable_results()->Reserve(static_cast<int>(results.size()));
  for (EventResult& result : results) {
    v1::EventResult* const out = response->add_results();
    if (result.code == EventResult::Code::kAccepted) {
      out->set_code(v1::EventResult::ACCEPTED);
      out->set_partition(result.partition);
      out->set_offset(result.offset);
      continue;
    }
    out->set_code(result.code == EventResult::Code::kInvalid ? v1::EventResult::INVALID
                                                             : v1::EventResult::UNAVAILABLE);
    out->set_error(std::move(result.error));
  }
}

Status CheckRequest(const v1::PublishRequest& request, const GrpcLimits& limits) {
  if (request.events().empty()) return {StatusCode::INVALID_ARGUMENT, "no event in the request"};
  if (static_cast<size_t>(request.events_size()) > limits.max_batch) {
    return {StatusCode::INVALID_ARGUMENT,
            base::StrCat("more than ", limits.max_batch, " events in one request")};
  }
  if (request.idempotency_key().size() > kMaxKeyBytes) {
    return {StatusCode::INVALID_ARGUMENT,
            base::StrCat("the idempotency key is longer than ", kMaxKeyBytes, " bytes")};
  }
  return Status::OK;
}

}  // namespace

void PublishGrpc(Intake& intake, Probe& probe, const GrpcLimits& limits,
                 const v1::PublishRequest& request, v1::PublishResponse* response,
                 std::function<void(const Status&, std::chrono::seconds)> done) {
  auto answer = [&probe, begun = Clock::now(), done = std::move(done)](
                    const Status& status, std::chrono::seconds retry_after) {
    probe.Answered(Probe::Transport::kGrpc, status.error_code(), Clock::now() - begun);
    done(status, retry_after);
  };
  if (const Status status = CheckRequest(request, limits); !status.ok()) {
    return answer(status, std::chrono::seconds(0));
  }
  std::vector<std::string_view> events;
  events.reserve(static_cast<size_t>(request.events_size()));
  for (const std::string& event : request.events()) events.push_back(Trim(event));
  intake.Publish({.events = events, .idempotency_key = request.idempotency_key()},
                 [answer = std::move(answer), response](Outcome outcome) {
                   Fill(outcome.results, response);
                   answer(StatusOf(outcome), outcome.retry_after);
                 });
}

GrpcStream::GrpcStream(Intake& intake, Probe& probe, const GrpcLimits& limits,
                       std::function<void(GrpcStream*)> on_done)
    : intake_(intake), probe_(probe), limits_(limits), on_done_(std::move(on_done)) {}

void GrpcStream::Begin() {
  self_ = shared_from_this();
  std::lock_guard lock(mutex_);
  Proceed();
}

void GrpcStream::Drain() {
  const auto keep = shared_from_this();
  std::lock_guard lock(mutex_);
  if (final_.ok()) final_ = {StatusCode::UNAVAILABLE, "the stage is draining"};
  no_more_ = true;
  Proceed();
}

void GrpcStream::OnReadDone(bool ok) {
  const auto keep = shared_from_this();
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    no_more_ |= !ok;
    if (!ok || finished_) return Proceed();
    // Also while draining: the intake says no, which is then how the stream ends.
    calls_.push_back(std::move(incoming_));
    waiting_ = calls_.back().get();
  }
  Publish();
}

void GrpcStream::OnWriteDone(bool ok) {
  const auto keep = shared_from_this();
  std::lock_guard lock(mutex_);
  writing_ = false;
  calls_.pop_front();
  if (!ok) no_more_ = true;
  Proceed();
}

void GrpcStream::OnCancel() {
  const auto keep = shared_from_this();
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  no_more_ = true;
  if (alarm_set_) alarm_.Cancel();
  Proceed();
}

void GrpcStream::OnDone() {
  on_done_(this);
  self_.reset();
}

void GrpcStream::Publish() {
  const auto keep = shared_from_this();
  Call* const call = waiting_;  // nobody changes it meanwhile
  PublishGrpc(intake_, probe_, limits_, call->request, &call->response,
              [keep, call](const Status& status, std::chrono::seconds retry_after) {
                keep->OnAnswer(call, status, retry_after);
              });
  std::lock_guard lock(mutex_);
  if (retry_after_.count() == 0) {
    waiting_ = nullptr;
    return Proceed();
  }
  alarm_set_ = true;
  alarm_.Set(std::chrono::system_clock::now() + std::exchange(retry_after_, {}), [keep](bool) {
    {
      std::lock_guard alarm_lock(keep->mutex_);
      keep->alarm_set_ = false;
      if (keep->cancelled_) {
        keep->waiting_->answered = keep->waiting_->refused = true;
        keep->waiting_ = nullptr;
        return keep->Proceed();
      }
    }
    keep->Publish();
  });
  if (cancelled_) alarm_.Cancel();
}

void GrpcStream::OnAnswer(Call* call, const Status& status, std::chrono::seconds retry_after) {
  std::lock_guard lock(mutex_);
  if (status.error_code() == StatusCode::RESOURCE_EXHAUSTED && call == waiting_ && !cancelled_) {
    retry_after_ = retry_after;
    return;
  }
  call->answered = true;
  if (!status.ok()) {
    call->refused = true;
    no_more_ = true;
    if (final_.ok()) final_ = status;
  }
  Proceed();
}

void GrpcStream::Proceed() {
  if (finished_) return;
  while (!writing_ && !calls_.empty() && calls_.front()->answered) {
    broken_ |= calls_.front()->refused;
    if (broken_) {
      calls_.pop_front();
    } else {
      writing_ = true;
      StartWrite(&calls_.front()->response);
    }
  }
  if (!no_more_ && !reading_ && waiting_ == nullptr && calls_.size() < kWindow) {
    reading_ = true;
    incoming_ = std::make_unique<Call>();
    StartRead(&incoming_->request);
  }
  if (no_more_ && calls_.empty() && waiting_ == nullptr && !writing_) {
    finished_ = true;
    Finish(final_);
  }
}

}  // namespace levada::ingest
