#include "core/s3/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/str_format.h"
#include "core/base/encoding.h"
#include "core/base/strings.h"

namespace levada::s3 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";
// SHA-256 of nothing.
constexpr char kNoBody[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string Sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest), size};
}

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

// "20261102T080000Z"
std::string TimeText(int64_t micros) {
  const time_t seconds = micros / 1'000'000;
  tm civil = {};
  gmtime_r(&seconds, &civil);
  char text[20];
  return {text, strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &civil)};
}

}  // namespace

std::string EncodePath(std::string_view path) {
  std::string encoded;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      encoded += c;
    } else {
      encoded += absl::StrFormat("%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

// The names of the documentation: canonical request, string to sign, signing key.
Headers Sign(const UnsignedRequest& request, const Credentials& credentials) {
  const std::string time = TimeText(request.time_micros);
  const std::string day = time.substr(0, 8);
  Headers headers = request.headers;
  headers.emplace_back("host", request.host);
  headers.emplace_back("x-amz-content-sha256", kNoBody);
  headers.emplace_back("x-amz-date", time);
  if (!credentials.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  std::sort(headers.begin(), headers.end());

  std::string canonical = base::StrCat(request.method, "\n", request.path, "\n\n");
  std::string names;
  for (const auto& [name, value] : headers) {
    base::StrAppend(&canonical, name, ":", value, "\n");
    base::StrAppend(&names, names.empty() ? "" : ";", name);
  }
  base::StrAppend(&canonical, "\n", names, "\n", kNoBody);

  const std::string scope = base::StrCat(day, "/", request.region, "/s3/aws4_request");
  const std::string to_sign =
      base::StrCat(kAlgorithm, "\n", time, "\n", scope, "\n", base::HexEncode(Sha256(canonical)));
  std::string key = base::StrCat("AWS4", credentials.secret_access_key);
  for (const std::string& part :
       {day, request.region, std::string("s3"), std::string("aws4_request")}) {
    key = Hmac(key, part);
  }
  headers.emplace_back(
      "authorization",
      base::StrCat(kAlgorithm, " Credential=", credentials.access_key_id, "/", scope,
                   ",SignedHeaders=", names, ",Signature=", base::HexEncode(Hmac(key, to_sign))));
  return headers;
}

}  // namespace levada::s3
