#include "services/notify/webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/encoding.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "services/notify/curl.h"
#include "services/notify/mail.h"

namespace levada::notify {
namespace {

constexpr size_t kMaxAnswerBytes = 500;  // what is kept of it, for people
constexpr std::chrono::hours kLongestRetryAfter{1};
constexpr std::string_view kRetryAfter = "retry-after:";

class WebhookSender : public Sender {
 public:
  explicit WebhookSender(WebhookOptions options)
      : options_(std::move(options)), curl_(MakeCurl()) {}

  absl::Status Open() {
    if (curl_ == nullptr) return absl::InternalError("libcurl cannot be started");
    CURL* curl = curl_.get();
    const CURLcode url = curl_easy_setopt(curl, CURLOPT_URL, options_.url.c_str());
    if (url != CURLE_OK) return absl::InvalidArgumentError("the webhook's URL cannot be used");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (!options_.ca_file.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
      curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    }
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, long{options_.connect_timeout.count()});
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, long{options_.timeout.count()});
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &WebhookSender::OnHeader);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &WebhookSender::OnAnswer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    return absl::OkStatus();
  }

  bool wants_events() const override { return true; }

  SendResult Send(const Notification& notification, bool repeat) override {
    const std::string body = WebhookBody(options_, notification, repeat);
    const int64_t now_s = std::time(nullptr);
    std::vector<std::string> headers = {"Content-Type: application/json",
                                        "Expect:", "User-Agent: levada-notify",
                                        absl::StrCat("Idempotency-Key: ", notification.id)};
    if (repeat) headers.push_back("Levada-Repeat: true");
    if (options_.secret) {
      const absl::StatusOr<std::string> secret = options_.secret();
      if (!secret.ok()) {
        return {.outcome = Outcome::kUnavailable, .text = std::string(secret.status().message())};
      }
      headers.push_back(absl::StrCat("Levada-Signature: ", WebhookSignature(*secret, now_s, body)));
    }
    return Perform(body, MakeCurlList(headers), now_s);
  }

 private:
  SendResult Perform(const std::string& body, const CurlList& headers, int64_t now_s) {
    CURL* curl = curl_.get();
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    answer_.clear();
    retry_after_.clear();
    error_[0] = '\0';
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    long sent = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    // Once its status is known, what becomes of the rest of the answer does not matter.
    if (status >= 200) {
      return WebhookResult(static_cast<int>(status), retry_after_, answer_, now_s);
    }
    return {.outcome = sent > 0 ? Outcome::kAnswerLost : Outcome::kUnavailable,
            .text = absl::StrCat("the webhook gave no answer: ",
                                 error_[0] != '\0' ? error_ : curl_easy_strerror(code))};
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self_pointer) {
    const absl::string_view line(data, size * count);
    if (absl::StartsWithIgnoreCase(line, base::AbslView(kRetryAfter))) {
      static_cast<WebhookSender*>(self_pointer)->retry_after_ =
          std::string(absl::StripAsciiWhitespace(line.substr(kRetryAfter.size())));
    }
    return size * count;
  }

  static size_t OnAnswer(char* data, size_t size, size_t count, void* self_pointer) {
    std::string& answer = static_cast<WebhookSender*>(self_pointer)->answer_;
    answer.append(data, std::min(size * count, kMaxAnswerBytes - answer.size()));
    return size * count;
  }

  const WebhookOptions options_;
  CurlHandle curl_;
  std::string answer_;
  std::string retry_after_;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace

std::string WebhookBody(const WebhookOptions& options, const Notification& notification,
                        bool repeat) {
  std::string body;
  const auto field = [&body](std::string_view name, std::string_view text) {
    base::StrAppend(&body, body.empty() ? "{\"" : ",\"", name, "\":");
    json::AppendString(text, &body);
  };
  field("id", notification.id);
  field("pipeline", options.pipeline);
  field("stage", options.stage);
  field("subject", notification.subject);
  field("body", notification.body);
  base::StrAppend(&body, ",\"events\":[", notification.events,
                  "],\"repeat\":", repeat ? "true" : "false", "}");
  return body;
}

std::string WebhookSignature(std::string_view secret, int64_t time_s, std::string_view body) {
  const std::string text = base::StrCat(time_s, ".", body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return base::StrCat("t=", time_s,
                      ",v1=", base::HexEncode({reinterpret_cast<const char*>(digest), size}));
}

SendResult WebhookResult(int status, std::string_view retry_after, std::string_view answer,
                         int64_t now_s) {
  SendResult result;
  result.text = absl::StrCat("the webhook answered ", status);
  if (!answer.empty()) base::StrAppend(&result.text, ": ", ToUtf8(answer));
  if (status >= 200 && status < 300) return result;
  if (status == 408 || status == 425 || status == 429 || status == 503) {
    result.outcome = Outcome::kUnavailable;
  } else if (status >= 500) {
    result.outcome = Outcome::kAnswerLost;
  } else {
    result.outcome = Outcome::kRejected;
    return result;
  }
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(base::AbslView(retry_after), &seconds)) {
    const time_t date = curl_getdate(std::string(retry_after).c_str(), nullptr);
    seconds = date < 0 ? 0 : date - now_s;
  }
  result.retry_after = std::clamp<std::chrono::milliseconds>(
      std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 1'000'000)),
      std::chrono::milliseconds(0), kLongestRetryAfter);
  return result;
}

absl::StatusOr<std::unique_ptr<Sender>> MakeWebhookSender(WebhookOptions options) {
  auto sender = std::make_unique<WebhookSender>(std::move(options));
  if (absl::Status status = sender->Open(); !status.ok()) return status;
  return sender;
}

}  // namespace levada::notify
