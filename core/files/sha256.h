#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// SHA-256 of what comes in pieces.
//
// Threads: one at a time.
namespace levada::files {

class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  std::string Hex();  // of all that was added; nothing may be added after it

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

absl::StatusOr<std::string> Sha256OfFile(const std::string& file);

}  // namespace levada::files
