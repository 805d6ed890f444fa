#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Certificates that the operator makes for its webhook, and when they are to be others: an
// authority (ECDSA P-256) and a server certificate that it signs.
//
//   Certificates now = Renew(stored, {"levada.levada-system.svc"}, seconds, {});
//   if (now != stored) Store(now);
//
// Nobody is ever shown a certificate that he cannot check: an authority is renewed long before it
// ends and trusted beside the old one; it signs only once it was trusted for `settle`, in which all
// API servers have heard of it. What would be due until then is signed by the old one, as its last.
// Where nothing usable is stored, which is so at first, there is nobody to wait for.
//
// Threads: pure functions, but for random numbers.
namespace levada::webhook {

// PEM texts.
struct Certificates {
  std::string authorities;    // that are to be trusted, newest first
  std::string authority_key;  // of the newest
  std::string certificate;
  std::string key;

  bool operator==(const Certificates&) const = default;
};

struct Lifetimes {
  std::chrono::seconds authority = std::chrono::hours(24 * 365);
  std::chrono::seconds server = std::chrono::hours(24 * 90);
  std::chrono::seconds settle = std::chrono::minutes(10);
};

// What is to be used at `now_s` (seconds since 1970), made of what is stored: the same where all of
// it holds for another third of its lifetime. What cannot be read is made anew. `hosts` are host
// names and IP addresses.
absl::StatusOr<Certificates> Renew(const Certificates& stored,
                                   const std::vector<std::string>& hosts, int64_t now_s,
                                   const Lifetimes& lifetimes);

// When the first certificate of a PEM text ends, in seconds since 1970.
absl::StatusOr<int64_t> EndOf(const std::string& pem);

}  // namespace levada::webhook
