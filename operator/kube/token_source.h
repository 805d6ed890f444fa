#pragma once

#include <mutex>
#include <string>

#include "operator/kube/clock.h"

// The bearer token: a fixed one, or that of a file which somebody renews (the kubelet, for a
// service account).
//
//   TokenSource token("", "/var/run/secrets/kubernetes.io/serviceaccount/token");
//   request.headers.emplace_back("Authorization", "Bearer " + token.Get());
//
// Threads: any.
namespace levada::kube {

class TokenSource {
 public:
  // With a file, the file counts.
  TokenSource(std::string token, std::string file, Clock* clock = &RealClock());

  // The file is read at most once a minute. One that cannot be read leaves the last token.
  std::string Get();
  // Reads the file now: the server has refused the token.
  std::string Renew();

 private:
  void Read(Clock::Time now);

  const std::string file_;
  Clock& clock_;
  std::mutex mutex_;
  std::string token_;
  Clock::Time read_at_;
};

}  // namespace levada::kube
