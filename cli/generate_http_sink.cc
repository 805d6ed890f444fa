#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/generate_sink.h"
#include "core/base/backoff.h"
#include "core/base/strings.h"
#include "core/http/client.h"
#include "nlohmann/json.hpp"

namespace levada::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kAttempts = 10;
constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5'000};
constexpr milliseconds kLongestRetryAfter{60'000};

// 429 and what a gateway or the way to it answers while it cannot take events.
bool Passing(const absl::StatusOr<http::Response>& response) {
  if (!response.ok()) return response.status().code() == absl::StatusCode::kUnavailable;
  const int status = response->status;
  return status == 429 || status == 502 || status == 503 || status == 504;
}

std::string Text(const absl::StatusOr<http::Response>& response) {
  if (!response.ok()) return std::string(base::View(response.status().message()));
  std::string_view excerpt = std::string_view(response->body).substr(0, 300);
  while (!excerpt.empty() && excerpt.back() == '\n') excerpt.remove_suffix(1);
  return base::StrCat("status ", response->status, excerpt.empty() ? "" : ": ", excerpt);
}

// What Retry-After asks for; 0 where there is none, or a date.
milliseconds RetryAfter(const absl::StatusOr<http::Response>& response) {
  if (!response.ok()) return milliseconds(0);
  const std::string_view text = response->Header("Retry-After");
  int seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::min<milliseconds>(std::chrono::seconds(std::max(seconds, 0)), kLongestRetryAfter);
}

class HttpSink : public EventSink {
 public:
  HttpSink(std::string url, std::string path, std::unique_ptr<http::Client> client, uint32_t batch,
           const std::atomic<bool>* stop)
      : url_(std::move(url)),
        path_(std::move(path)),
        client_(std::move(client)),
        batch_(batch),
        stop_(stop),
        run_(absl::StrFormat("%016x", base::RandomSeed())) {}

  absl::Status Write(std::string_view, std::string_view event) override {
    body_.append(event);
    body_.push_back('\n');
    return ++events_ < batch_ ? absl::OkStatus() : Push();
  }

  absl::Status Push() override {
    base::Backoff backoff(kFirstPause, kLongestPause);
    std::string key = NextKey();
    for (int attempt = 1; events_ > 0; ++attempt) {
      const auto response = Post(key);
      if (response.ok() && TakeResults(response->body)) {
        if (events_ == 0) break;
        key = NextKey();  // what is left is another request
      } else if (response.ok() && response->status >= 200 && response->status < 300) {
        Clear();
        break;
      } else if (!Passing(response)) {
        return absl::FailedPreconditionError(base::StrCat(url_, ": ", Text(response)));
      }
      if (attempt == kAttempts || !Pause(RetryAfter(response), &backoff)) {
        return absl::UnavailableError(base::StrCat(url_, " did not take the events (", attempt,
                                                   " attempts): ", Text(response)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Close() override { return Push(); }

  uint64_t refused() const override { return refused_; }
  std::string refusal() const override { return refusal_; }

 private:
  absl::StatusOr<http::Response> Post(const std::string& idempotency_key) {
    return client_->Send({.method = "POST",
                          .path = path_,
                          .headers = {{"Idempotency-Key", idempotency_key}},
                          .body = body_,
                          .content_type = "application/x-ndjson"});
  }

  // As long as the server asks for, or else growing. False: told to stop.
  bool Pause(milliseconds retry_after, base::Backoff* backoff) const {
    const milliseconds pause = retry_after.count() > 0 ? retry_after : backoff->Next();
    const auto end = Clock::now() + pause;
    while (!stop_->load() && Clock::now() < end) std::this_thread::sleep_for(milliseconds(20));
    return !stop_->load();
  }

  // A gateway's answer about each event: {"accepted":n,"rejected":n,"results":[{"index":0,
  // "status":"invalid","error":"..."},...]}. Counts what it refused and keeps what it could not
  // take for now. False: the answer is about the request as a whole.
  bool TakeResults(const std::string& answer_text) {
    const nlohmann::json answer = nlohmann::json::parse(answer_text, nullptr, false);
    if (!answer.is_object() || !answer.contains("rejected") || !answer.contains("results") ||
        !answer["results"].is_array()) {
      return false;
    }
    std::vector<bool> again(events_);
    for (const nlohmann::json& result : answer["results"]) {
      if (!result.is_object()) continue;
      const auto status = result.find("status");
      if (status == result.end() || *status == "accepted") continue;
      const auto index = result.find("index");
      if (*status == "unavailable" && index != result.end() && index->is_number_unsigned() &&
          index->get<uint64_t>() < events_) {
        again[index->get<uint64_t>()] = true;
        continue;
      }
      ++refused_;
      const auto error = result.find("error");
      if (refusal_.empty() && error != result.end() && error->is_string()) {
        refusal_ = error->get<std::string>();
      }
    }
    Keep(again);
    return true;
  }

  void Keep(const std::vector<bool>& wanted) {
    std::string kept;
    uint32_t count = 0;
    size_t begin = 0;
    for (bool want : wanted) {
      const size_t end = body_.find('\n', begin) + 1;
      if (want) {
        kept.append(body_, begin, end - begin);
        ++count;
      }
      begin = end;
    }
    body_ = std::move(kept);
    events_ = count;
  }

  void Clear() {
    body_.clear();
    events_ = 0;
  }

  std::string NextKey() { return base::StrCat("levada-generate-", run_, "-", ++requests_); }

  const std::string url_;
  const std::string path_;
  const std::unique_ptr<http::Client> client_;
  const uint32_t batch_;
  const std::atomic<bool>* const stop_;
  const std::string run_;  // names this run in the idempotency keys
  uint64_t requests_ = 0;
  std::string body_;
  uint32_t events_ = 0;  // in body_
  uint64_t refused_ = 0;
  std::string refusal_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSink>> OpenHttpSink(const std::string& url, uint32_t batch,
                                                        const std::atomic<bool>* stop) {
  const size_t host = url.find("://") + 3;
  const size_t path = std::min(url.find('/', host), url.size());
  auto client = http::Client::Create({.base_url = url.substr(0, path)});
  if (!client.ok()) return client.status();
  return std::make_unique<HttpSink>(url, path < url.size() ? url.substr(path) : "/",
                                    *std::move(client), batch, stop);
}

}  // namespace levada::cli
