#include "operator/webhook/certificate_source.h"

#include <fstream>
#include <iterator>

#include "core/base/encoding.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "operator/kube/errors.h"

namespace levada::webhook {
namespace {

using kube::Json;

// The keys of the Secret; the first three are those that cert-manager uses too.
constexpr char kAuthorities[] = "ca.crt";
constexpr char kCertificate[] = "tls.crt";
constexpr char kKey[] = "tls.key";
constexpr char kAuthorityKey[] = "ca.key";
constexpr char kFieldManager[] = "levada-operator-webhook";
constexpr int kTries = 5;

absl::StatusOr<std::string> ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return absl::UnavailableError(base::StrCat("cannot read ", name));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class Folder : public CertificateSource {
 public:
  explicit Folder(std::string folder) : folder_(std::move(folder)) {}

  absl::StatusOr<ServerCertificate> Get() override {
    const auto certificate = ReadFile(base::StrCat(folder_, "/", kCertificate));
    if (!certificate.ok()) return certificate.status();
    const auto key = ReadFile(base::StrCat(folder_, "/", kKey));
    if (!key.ok()) return key.status();
    return ServerCertificate{*certificate, *key};
  }

 private:
  const std::string folder_;
};

std::string Decoded(const Json& secret, std::string_view key) {
  return base::Base64Decode(kube::TextAt(secret, {"data", key})).value_or("");
}

class Own : public CertificateSource {
 public:
  Own(kube::Client& client, OwnCertificatesOptions options)
      : client_(client), options_(std::move(options)) {}

  absl::StatusOr<ServerCertificate> Get() override {
    absl::StatusOr<Certificates> certificates = FromSecret();
    for (int i = 1; i < kTries && kube::IsConflict(certificates.status()); ++i) {
      certificates = FromSecret();
    }
    if (!certificates.ok()) return certificates.status();
    if (absl::Status status = Trust(certificates->authorities); !status.ok()) {
      base::LogWarn("the webhook's authority is not made known",
                    {{"reason", base::View(status.message())}});
    }
    return ServerCertificate{certificates->certificate, certificates->key};
  }

 private:
  // kAborted: another replica was faster.
  absl::StatusOr<Certificates> FromSecret() {
    absl::StatusOr<Json> secret = client_.Get(kube::kSecrets, options_.secret);
    if (!secret.ok()) return secret.status();
    const Certificates stored{.authorities = Decoded(*secret, kAuthorities),
                              .authority_key = Decoded(*secret, kAuthorityKey),
                              .certificate = Decoded(*secret, kCertificate),
                              .key = Decoded(*secret, kKey)};
    const int64_t now_s = options_.clock->WallMicros() / 1'000'000;
    const auto wanted = Renew(stored, options_.hosts, now_s, options_.lifetimes);
    if (!wanted.ok() || *wanted == stored) return wanted;
    (*secret)["data"] = {{kAuthorities, base::Base64Encode(wanted->authorities)},
                         {kAuthorityKey, base::Base64Encode(wanted->authority_key)},
                         {kCertificate, base::Base64Encode(wanted->certificate)},
                         {kKey, base::Base64Encode(wanted->key)}};
    const absl::Status written = client_.Update(kube::kSecrets, *secret).status();
    if (!written.ok()) return written;
    base::LogInfo("webhook certificate made", {{"secret", options_.secret.ToText()}});
    return wanted;
  }

  absl::Status Trust(const std::string& authorities) {
    const kube::ObjectKey key{"", options_.configuration};
    const auto live = client_.Get(kube::kValidatingWebhooks, key);
    if (!live.ok()) return live.status();
    const std::string bundle = base::Base64Encode(authorities);
    Json webhooks = Json::array();
    bool known = true;
    if (const Json* there = kube::Find(*live, {"webhooks"}); there != nullptr) {
      for (const Json& webhook : *there) {
        known = known && kube::TextAt(webhook, {"clientConfig", "caBundle"}) == bundle;
        webhooks.push_back(
            {{"name", kube::TextAt(webhook, {"name"})}, {"clientConfig", {{"caBundle", bundle}}}});
      }
    }
    if (known) return absl::OkStatus();
    return client_
        .Apply(kube::kValidatingWebhooks,
               {{"metadata", {{"name", options_.configuration}}}, {"webhooks", webhooks}},
               {.force = true, .field_manager = kFieldManager})
        .status();
  }

  kube::Client& client_;
  const OwnCertificatesOptions options_;
};

}  // namespace

std::unique_ptr<CertificateSource> CertificatesInFolder(std::string folder) {
  return std::make_unique<Folder>(std::move(folder));
}

std::unique_ptr<CertificateSource> OwnCertificates(kube::Client& client,
                                                   OwnCertificatesOptions options) {
  return std::make_unique<Own>(client, std::move(options));
}

}  // namespace levada::webhook
