#include "core/pipeline/digest.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"

namespace levada::pipeline {

std::string Hash(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 8));
}

std::string ShortHash(std::string_view text) { return Hash(text).substr(0, 8); }

}  // namespace levada::pipeline
