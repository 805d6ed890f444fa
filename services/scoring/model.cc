#include "services/scoring/model.h"

#include <openssl/sha.h>

#include <filesystem>

#include "absl/strings/escaping.h"
#include "core/base/strings.h"
#include "services/scoring/read_file.h"

namespace levada::scoring {
namespace {

constexpr size_t kMaxModelBytes = 1ull << 30;

}  // namespace

absl::StatusOr<std::string> ReadModel(const std::string& path) {
  auto bytes = ReadFile(path, kMaxModelBytes);
  if (!bytes.ok()) return ModelError(path, base::View(bytes.status().message()));
  return bytes;
}

std::string ModelVersion(const std::string& path, std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  const std::string hex = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
  return base::StrCat(std::filesystem::path(path).filename().string(), "@", hex.substr(0, 12));
}

absl::Status ModelError(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(base::StrCat("model ", path, " ", what));
}

}  // namespace levada::scoring
