#pragma once

#include <string>

#include "absl/status/statusor.h"

// The certificate of a detector (the manifest's `serve.tlsSecretRef`), and what a worker demands of
// another one that it passes an event on to.
//
// All workers of a stage have the same certificate, which is for the name that clients know and not
// for the addresses of workers. So the one who is called must show a certificate
//   - for the name that one's own certificate is for, and
//   - signed by the authority in the secret's `ca.crt`, or, where there is none, by one of those
//     that `tls.crt` has; or be one's own certificate itself.
// Renewed by the same authority the old and the new one trust each other, so that a rollout goes on
// answering. A secret without an authority whose certificate was replaced by a foreign one does
// not: workers answer 503 for each other until all have the new one.
//
// Threads: pure functions.
namespace levada::base {
class Secrets;
}

namespace levada::scoring::peers {

struct Certificate {
  std::string certificate;  // PEM, its chain behind it; empty: no TLS
  std::string key;
  std::string authority;  // PEM; may be empty

  bool empty() const { return certificate.empty(); }
};

// `secret`: empty for no TLS.
absl::StatusOr<Certificate> ReadCertificate(const base::Secrets& secrets,
                                            const std::string& secret);

// A name that the first certificate of a PEM text is for: its first DNS name or IP address, else
// its common name.
absl::StatusOr<std::string> NameOf(const std::string& certificate);

}  // namespace levada::scoring::peers
