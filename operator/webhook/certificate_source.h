#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "operator/kube/client.h"
#include "operator/webhook/certificates.h"

// Where the webhook's server certificate comes from. It is asked again and again, and says what is
// to be used from now on.
//
//   std::unique_ptr<CertificateSource> source = OwnCertificates(client, {.secret = {...}, ...});
//   absl::StatusOr<ServerCertificate> now = source->Get();
//
// Threads: one at a time.
namespace levada::webhook {

// PEM texts.
struct ServerCertificate {
  std::string certificate;
  std::string key;

  bool operator==(const ServerCertificate&) const = default;
};

class CertificateSource {
 public:
  virtual ~CertificateSource() = default;
  virtual absl::StatusOr<ServerCertificate> Get() = 0;
};

// `tls.crt` and `tls.key` in a folder, which somebody else renews: a mounted Secret.
std::unique_ptr<CertificateSource> CertificatesInFolder(std::string folder);

struct OwnCertificatesOptions {
  kube::ObjectKey secret;     // that holds them; must exist
  std::string configuration;  // ValidatingWebhookConfiguration whose `caBundle` is set
  std::vector<std::string> hosts;
  Lifetimes lifetimes;
  kube::Clock* clock = &kube::RealClock();
};

// Certificates of certificates.h, kept in a Secret that all replicas share: whoever sees first that
// one is due renews it, and a replica that comes second takes what the first has stored. What is
// new is stored and its authority trusted before it is served.
//
// That the configuration cannot be written is logged and does not keep the certificate from being
// used: the API server may know it already.
std::unique_ptr<CertificateSource> OwnCertificates(kube::Client& client,
                                                   OwnCertificatesOptions options);

}  // namespace levada::webhook
