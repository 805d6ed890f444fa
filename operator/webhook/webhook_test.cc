#include "operator/webhook/webhook.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/base/strings.h"
#include "core/http/client.h"
#include "operator/kube/object.h"

namespace levada::webhook {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr int64_t kDay = 86'400;

// Certificates of certificates.h without a cluster, by a clock that goes on when it is told to.
struct Authority {
  std::mutex mutex;
  Certificates now;
  Lifetimes lifetimes;
  absl::Status status;
  int64_t now_s = time(nullptr);
  int looks = 0;  // of the webhook

  Certificates Look() {
    const std::lock_guard lock(mutex);
    return now = Renew(now, {"127.0.0.1"}, now_s, lifetimes).value();
  }
  void GoOn(std::chrono::seconds by) {
    const std::lock_guard lock(mutex);
    now_s += by.count();
  }
  int Looks() {
    const std::lock_guard lock(mutex);
    return looks;
  }
  void Fail(absl::Status failure) {
    const std::lock_guard lock(mutex);
    status = std::move(failure);
  }
};

class Source : public CertificateSource {
 public:
  explicit Source(Authority& authority) : authority_(authority) {}
  absl::StatusOr<ServerCertificate> Get() override {
    {
      const std::lock_guard lock(authority_.mutex);
      ++authority_.looks;
      if (!authority_.status.ok()) return authority_.status;
    }
    const Certificates now = authority_.Look();
    return ServerCertificate{now.certificate, now.key};
  }

 private:
  Authority& authority_;
};

class WebhookTest : public testing::Test {
 protected:
  void Start(std::unique_ptr<CertificateSource> source) {
    Webhook::Options options;
    options.address = "127.0.0.1";
    options.look_every = options.retry_every = milliseconds(10);
    options.probe = {.reviewed =
                         [this](std::string_view result, auto) {
                           const std::lock_guard lock(mutex_);
                           results_.emplace_back(result);
                         },
                     .certificate_ends = [this](int64_t end_s) { ends_ = end_s; }};
    webhook_ = std::make_unique<Webhook>(std::move(source), options);
    webhook_->Start();
  }

  // A client of its own for each call: a new connection.
  absl::StatusOr<http::Response> Call(std::string_view body, const std::string& authorities,
                                      const std::string& path = "/validate") {
    http::Client::Options options;
    options.base_url = base::StrCat("https://127.0.0.1:", webhook_->port());
    options.tls.ca_pem = authorities;
    const auto client = http::Client::Create(options);
    EXPECT_TRUE(client.ok()) << client.status();
    return (*client)->Send({.method = "POST", .path = path, .body = body});
  }

  static bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 1000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  static std::string Review() {
    return R"({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
      "uid": "1", "operation": "CREATE", "kind": {"group": "levada.dev", "kind": "Pipeline"},
      "object": {"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": "shop"}, "spec": {}}}})";
  }

  std::mutex mutex_;
  std::vector<std::string> results_;
  std::atomic<int64_t> ends_ = 0;
  Authority authority_;
  std::unique_ptr<Webhook> webhook_;
};

TEST_F(WebhookTest, AnswersAndCounts) {
  Start(std::make_unique<Source>(authority_));
  const auto refused = Call(Review(), authority_.Look().authorities);
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->status, 200);
  EXPECT_EQ(Json::parse(refused->body)["response"]["allowed"], false);
  EXPECT_EQ(Call("nonsense", authority_.Look().authorities)->status, 400);
  EXPECT_EQ(Call(Review(), authority_.Look().authorities, "/")->status, 404);
  EXPECT_EQ(Call(std::string(9 << 20, ' '), authority_.Look().authorities)->status, 413);
  EXPECT_THAT(results_, testing::ElementsAre("refused", "unreadable"));
  EXPECT_NEAR(ends_, time(nullptr) + 90 * kDay, 60);
}

TEST_F(WebhookTest, ListensOnceThereIsACertificate) {
  authority_.Fail(absl::NotFoundError("no Secret yet"));
  Start(std::make_unique<Source>(authority_));
  EXPECT_EQ(webhook_->port(), 0);
  authority_.Fail(absl::OkStatus());
  ASSERT_TRUE(Eventually([&] { return webhook_->port() != 0; }));
  EXPECT_EQ(Call(Review(), authority_.Look().authorities)->status, 200);
}

// Certificates are renewed several times, and so is their authority, while requests come in on new
// connections and on one that is kept. The caller trusts what he heard of a while ago. The clock
// goes on by less than an hour in all, so that the caller's, which is the machine's, finds each
// certificate begun.
TEST_F(WebhookTest, CertificatesAreRenewedBelowRequests) {
  constexpr std::chrono::seconds kStep{5};
  constexpr size_t kLate = 5;  // steps
  authority_.lifetimes = {.authority = 36 * kStep, .server = 12 * kStep, .settle = 6 * kStep};
  Start(std::make_unique<Source>(authority_));
  http::Client::Options kept;
  kept.base_url = base::StrCat("https://127.0.0.1:", webhook_->port());
  std::vector<std::string> known = {authority_.Look().authorities};
  kept.tls.ca_pem = known[0];
  const auto client = http::Client::Create(kept);
  std::set<int64_t> ends;
  for (int step = 0; step < 72; ++step) {
    authority_.GoOn(kStep);
    ASSERT_GT(ends_, authority_.now_s) << "one that has ended is served";
    const auto fresh = Call(Review(), known[known.size() - std::min(known.size(), kLate)]);
    ASSERT_TRUE(fresh.ok()) << fresh.status() << " in step " << step;
    const auto old = (*client)->Send({.method = "POST", .path = "/validate", .body = Review()});
    ASSERT_TRUE(old.ok()) << old.status();
    // The second look that begins from now on begins when the first one's certificate is served.
    const int before = authority_.Looks();
    ASSERT_TRUE(Eventually([&] { return authority_.Looks() >= before + 2; }));
    known.push_back(authority_.Look().authorities);
    ends.insert(ends_);
  }
  EXPECT_GE(ends.size(), 8u) << "certificates";
  EXPECT_GE(std::set(known.begin(), known.end()).size(), 3u) << "authorities";
}

TEST_F(WebhookTest, AFoldersCertificateIsReadAgain) {
  const std::string folder = testing::TempDir() + "webhook-certificates";
  std::filesystem::create_directories(folder);
  const auto write = [&](const Certificates& certificates) {
    std::ofstream(folder + "/tls.key") << certificates.key;
    std::ofstream(folder + "/tls.crt") << certificates.certificate;
  };
  Authority second;
  write(authority_.Look());
  Start(CertificatesInFolder(folder));
  EXPECT_TRUE(Call(Review(), authority_.Look().authorities).ok());
  EXPECT_FALSE(Call(Review(), second.Look().authorities).ok());
  write(second.now);
  EXPECT_TRUE(Eventually([&] { return Call(Review(), second.now.authorities).ok(); }));
  // Half of it, as while files are replaced: the last whole one goes on.
  std::ofstream(folder + "/tls.key") << authority_.Look().key;
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_TRUE(Call(Review(), second.now.authorities).ok());
  std::filesystem::remove_all(folder);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_TRUE(Call(Review(), second.now.authorities).ok());
}

TEST_F(WebhookTest, StopsAndNobodyAnswersThen) {
  Start(std::make_unique<Source>(authority_));
  const uint16_t port = webhook_->port();
  EXPECT_NE(port, 0);
  webhook_->Stop();
  EXPECT_FALSE(Call(Review(), authority_.Look().authorities).ok());
}

}  // namespace
}  // namespace levada::webhook
