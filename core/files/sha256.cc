#include "core/files/sha256.h"

#include <fstream>
#include <vector>

#include "core/base/encoding.h"
#include "core/base/strings.h"

namespace levada::files {
namespace {

constexpr size_t kReadBytes = 1 << 20;

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::Add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &size);
  return base::HexEncode({reinterpret_cast<const char*>(digest), size});
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::NotFoundError(base::StrCat("cannot read ", file));
  Sha256 sha256;
  std::vector<char> bytes(kReadBytes);
  while (in.read(bytes.data(), kReadBytes) || in.gcount() > 0) {
    sha256.Add({bytes.data(), static_cast<size_t>(in.gcount())});
  }
  return sha256.Hex();
}

}  // namespace levada::files
