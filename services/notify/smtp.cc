#include "services/notify/smtp.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "core/base/strings.h"
#include "services/notify/curl.h"
#include "services/notify/mail.h"
#include "services/notify/smtp_dialog.h"

namespace levada::notify {
namespace {

class SmtpSender : public Sender {
 public:
  explicit SmtpSender(SmtpOptions options) : options_(std::move(options)), curl_(MakeCurl()) {}

  absl::Status Open() {
    if (curl_ == nullptr) return absl::InternalError("libcurl cannot be started");
    std::vector<std::string> recipients;
    for (const std::string& to : options_.to) recipients.push_back(absl::StrCat("<", to, ">"));
    recipients_ = MakeCurlList(recipients);
    CURL* curl = curl_.get();
    curl_easy_setopt(curl, CURLOPT_URL,
                     absl::StrCat("smtp://", options_.host, ":", options_.port).c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");  // whatever the environment says
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USE_SSL, options_.tls ? CURLUSESSL_ALL : CURLUSESSL_NONE);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (!options_.ca_file.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
      curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, absl::StrCat("<", options_.from, ">").c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients_.get());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);  // spelled so
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, long{options_.connect_timeout.count()});
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, long{options_.timeout.count()});
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &SmtpSender::OnRead);
    curl_easy_setopt(curl, CURLOPT_READDATA, this);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &SmtpSender::OnReply);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
    // The commands are only to be had as debug output; nothing is printed.
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, &SmtpSender::OnDebug);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, this);
    return absl::OkStatus();
  }

  bool wants_events() const override { return false; }

  SendResult Send(const Notification& notification, bool repeat) override {
    if (absl::Status status = LogIn(); !status.ok()) {
      return {.outcome = Outcome::kUnavailable, .text = std::string(status.message())};
    }
    mail_ = BuildMail({.from = options_.from,
                       .to = options_.to,
                       .subject = notification.subject,
                       .body = notification.body,
                       .id = notification.id,
                       .time_s = std::time(nullptr),
                       .repeat = repeat});
    SendResult result = Perform();
    long connections = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_NUM_CONNECTS, &connections);
    // A kept connection that the server has closed meanwhile: not worth a word.
    if (result.outcome == Outcome::kUnavailable && connections == 0) result = Perform();
    return result;
  }

 private:
  absl::Status LogIn() {
    if (!options_.login) return absl::OkStatus();
    absl::StatusOr<SmtpOptions::Login> login = options_.login();
    if (!login.ok()) return login.status();
    curl_easy_setopt(curl_.get(), CURLOPT_USERNAME, login->user.c_str());
    curl_easy_setopt(curl_.get(), CURLOPT_PASSWORD, login->password.c_str());
    return absl::OkStatus();
  }

  SendResult Perform() {
    dialog_ = SmtpDialog();
    read_ = 0;
    error_[0] = '\0';
    const CURLcode code = curl_easy_perform(curl_.get());
    const std::string error = base::StrCat(options_.host, ":", options_.port, ": ",
                                           error_[0] != '\0' ? error_ : curl_easy_strerror(code));
    return dialog_.Result(code == CURLE_OK, error);
  }

  static size_t OnRead(char* buffer, size_t size, size_t count, void* self_pointer) {
    auto* self = static_cast<SmtpSender*>(self_pointer);
    const size_t bytes = std::min(size * count, self->mail_.size() - self->read_);
    std::memcpy(buffer, self->mail_.data() + self->read_, bytes);
    self->read_ += bytes;
    if (bytes == 0) self->dialog_.OnMailSent();
    return bytes;
  }

  static size_t OnReply(char* line, size_t size, size_t count, void* self_pointer) {
    auto* self = static_cast<SmtpSender*>(self_pointer);
    return self->dialog_.OnReplyLine({line, size * count}) ? size * count : 0;
  }

  static int OnDebug(CURL*, curl_infotype type, char* data, size_t size, void* self_pointer) {
    auto* self = static_cast<SmtpSender*>(self_pointer);
    if (type == CURLINFO_HEADER_OUT) self->dialog_.OnCommand({data, size});
    return 0;
  }

  const SmtpOptions options_;
  CurlList recipients_;
  CurlHandle curl_;
  std::string mail_;
  size_t read_ = 0;  // bytes of it that libcurl has taken
  SmtpDialog dialog_;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Sender>> MakeSmtpSender(SmtpOptions options) {
  if (options.login && !options.tls) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the connection to ", options.host,
        " has a secretRef but tls.enabled is false: a password is not sent without TLS"));
  }
  std::vector<std::string> addresses = options.to;
  addresses.push_back(options.from);
  for (const std::string& address : addresses) {
    if (!IsMailAddress(address)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", address, "' is no mail address of the form name@host"));
    }
  }
  auto sender = std::make_unique<SmtpSender>(std::move(options));
  if (absl::Status status = sender->Open(); !status.ok()) return status;
  return sender;
}

}  // namespace levada::notify
