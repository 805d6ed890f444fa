#include "operator/kube/token_source.h"

#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "core/base/log.h"

namespace levada::kube {
namespace {

constexpr std::chrono::minutes kReadAgain{1};

}  // namespace

TokenSource::TokenSource(std::string token, std::string file, Clock* clock)
    : file_(std::move(file)), clock_(*clock), token_(std::move(token)) {
  if (!file_.empty()) Read(clock_.Now());
}

std::string TokenSource::Get() {
  const std::lock_guard lock(mutex_);
  const Clock::Time now = clock_.Now();
  if (!file_.empty() && now - read_at_ >= kReadAgain) Read(now);
  return token_;
}

std::string TokenSource::Renew() {
  const std::lock_guard lock(mutex_);
  if (!file_.empty()) Read(clock_.Now());
  return token_;
}

void TokenSource::Read(Clock::Time now) {
  read_at_ = now;
  std::ifstream file(file_, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  absl::StripAsciiWhitespace(&text);
  if (text.empty()) {
    base::LogWarn("token file cannot be read", {{"file", file_}});
    return;
  }
  token_ = std::move(text);
}

}  // namespace levada::kube
