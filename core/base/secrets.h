#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Values that a manifest refers to by the name of a secret (`secretRef: mail-login`) and a key in
// it (`password`).
//
//   Secrets secrets("/var/run/levada/secrets");
//   absl::StatusOr<std::string> password = secrets.Get("mail-login", "password");
//
// Looked for, in this order:
//   1. the file <folder>/<name>/<key>, as Kubernetes mounts a Secret; one newline at its end is
//      taken off;
//   2. the environment variable LEVADA_SECRET_<NAME>_<KEY>, in upper case, every character that is
//      no letter or digit written as an underscore: LEVADA_SECRET_MAIL_LOGIN_PASSWORD.
// Read anew at each call, so that a rotated secret is seen. A value that was found is kept out of
// the logs from then on (log.h). Errors name the places, never a value.
//
// Thread-safety: Get may be called from several threads.
namespace levada::base {

class Secrets {
 public:
  // An empty folder: environment only.
  explicit Secrets(std::string folder = "") : folder_(std::move(folder)) {}

  // NotFound names both places; InvalidArgument for a name or key that is not one.
  absl::StatusOr<std::string> Get(std::string_view name, std::string_view key) const;

  static std::string VariableName(std::string_view name, std::string_view key);

 private:
  std::string folder_;
};

}  // namespace levada::base
