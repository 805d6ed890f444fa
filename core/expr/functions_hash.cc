// Digests and hashes of texts and bytes.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <memory>

#include "core/expr/functions.h"
#include "core/expr/hash.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

// Lower-case hexadecimal digits, in the arena.
Value Hex(const unsigned char* bytes, size_t size, Activation& activation) {
  char* const text = NewArray<char>(activation, 2 * size);
  if (text == nullptr) return Exhausted();
  for (size_t i = 0; i < size; ++i) {
    text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  return Value::String({text, 2 * size});
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// A digest that is begun anew without looking it up again: one a thread.
class Digest {
 public:
  explicit Digest(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
    good_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1;
  }

  Value Of(std::string_view bytes, Activation& activation) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    good_ = good_ && EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1 &&
            EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
            EVP_DigestFinal_ex(context_.get(), digest, &size) == 1;
    // A library that is set up to allow approved algorithms only has no MD5.
    if (!good_) return Value::Error("this machine's OpenSSL does not offer the digest");
    return Hex(digest, size, activation);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeDigest> context_;
  bool good_ = false;
};

template <const EVP_MD* (*algorithm)()>
Value DigestOf(const Value* args, size_t, Activation& activation) {
  thread_local Digest digest(algorithm());
  // Some 64 bytes a step, as much work as other functions do in one.
  if (!activation.TakeSteps(static_cast<int64_t>(args[0].text().size() / 64))) return Exhausted();
  return digest.Of(args[0].text(), activation);
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// hash.hmacSha256(key, text)
Value HmacSha256(const Value* args, size_t, Activation& activation) {
  thread_local const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  thread_local const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(
      mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac.get()));
  if (!activation.TakeSteps(static_cast<int64_t>(args[1].text().size() / 64))) return Exhausted();
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  // An empty key is a key; a null one would mean the last one.
  const std::string_view key = args[0].text(), text = args[1].text();
  const auto* const key_bytes =
      reinterpret_cast<const unsigned char*>(key.empty() ? "" : key.data());
  unsigned char digest[EVP_MAX_MD_SIZE];
  size_t size = 0;
  if (context == nullptr || EVP_MAC_init(context.get(), key_bytes, key.size(), parameters) != 1 ||
      EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size()) != 1 ||
      EVP_MAC_final(context.get(), digest, &size, sizeof(digest)) != 1) {
    return Value::Error("this machine's OpenSSL does not offer HMAC");
  }
  return Hex(digest, size, activation);
}

Value Crc32(const Value* args, size_t, Activation&) {
  const std::string_view bytes = args[0].text();
  return Value::Int(static_cast<int64_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())));
}

// As the signed integers that Spark, Flink and Java show.
Value Xx64(const Value* args, size_t, Activation&) {
  return Value::Int(static_cast<int64_t>(XxHash64(args[0].text())));
}
Value KafkaMurmur2(const Value* args, size_t, Activation&) {
  return Value::Int(static_cast<int32_t>(Murmur2(args[0].text())));
}

constexpr Type kInt{Kind::kInt}, kString{Kind::kString};
constexpr Kind S = Kind::kString, B = Kind::kBytes;

constexpr Function kFunctions[] = {
    {"hash.sha256", Style::kGlobal, kString, {S}, 1, DigestOf<EVP_sha256>, "64 digits of hex"},
    {"hash.sha256", Style::kGlobal, kString, {B}, 1, DigestOf<EVP_sha256>, "the same of bytes"},
    {"hash.sha1", Style::kGlobal, kString, {S}, 1, DigestOf<EVP_sha1>, "40 digits of hex"},
    {"hash.sha1", Style::kGlobal, kString, {B}, 1, DigestOf<EVP_sha1>, "the same of bytes"},
    {"hash.md5", Style::kGlobal, kString, {S}, 1, DigestOf<EVP_md5>, "32 digits of hex"},
    {"hash.md5", Style::kGlobal, kString, {B}, 1, DigestOf<EVP_md5>, "the same of bytes"},
    {"hash.hmacSha256",
     Style::kGlobal,
     kString,
     {S, S},
     2,
     HmacSha256,
     "HMAC by SHA-256 with a key and of a text, in hex: a pseudonym that cannot be guessed"},
    {"hash.hmacSha256", Style::kGlobal, kString, {B, B}, 2, HmacSha256, "the same of bytes"},
    {"hash.crc32", Style::kGlobal, kInt, {S}, 1, Crc32, "CRC-32 as in zip and PNG, 0 or greater"},
    {"hash.crc32", Style::kGlobal, kInt, {B}, 1, Crc32, "the same of bytes"},
    {"hash.xx64", Style::kGlobal, kInt, {S}, 1, Xx64, "XXH64 with seed 0, signed"},
    {"hash.xx64", Style::kGlobal, kInt, {B}, 1, Xx64, "the same of bytes"},
    {"hash.murmur2",
     Style::kGlobal,
     kInt,
     {S},
     1,
     KafkaMurmur2,
     "that of Kafka's partitioner, signed: partition = math.bitAnd(hash, 0x7fffffff) % partitions"},
    {"hash.murmur2", Style::kGlobal, kInt, {B}, 1, KafkaMurmur2, "the same of bytes"},
};

}  // namespace

std::span<const Function> HashFunctions() { return kFunctions; }

}  // namespace levada::expr
