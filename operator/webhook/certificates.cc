#include "operator/webhook/certificates.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "core/base/strings.h"

namespace levada::webhook {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Time = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;

// Clocks of API servers may be behind by so much.
constexpr int64_t kBackdated = 3600;
// Renewed when this part of the time is left.
constexpr int64_t kPartLeft = 3;
constexpr int kMaxCertificates = 16;
constexpr int kSerialBytes = 16;

Bio Open(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::vector<X509Ptr> ReadCertificates(const std::string& pem) {
  std::vector<X509Ptr> certificates;
  const Bio bio = Open(pem);
  while (certificates.size() < kMaxCertificates) {
    X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

// nullptr where there is none. A key with a password is none: nobody is asked for it.
Key ReadKey(const std::string& pem) {
  const auto no_password = [](char*, int, int, void*) { return 0; };
  return Key(PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, no_password, nullptr));
}

template <typename Write>
std::string ToPem(const Write& write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}
std::string ToPem(const X509Ptr& certificate) {
  return ToPem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
}
std::string ToPem(const Key& key) {
  return ToPem([&](BIO* bio) {
    PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

int64_t Seconds(const ASN1_TIME* time) {
  tm civil = {};
  return ASN1_TIME_to_tm(time, &civil) == 1 ? timegm(&civil) : 0;
}
int64_t Begin(const X509Ptr& certificate) {
  return Seconds(X509_get0_notBefore(certificate.get()));
}
int64_t End(const X509Ptr& certificate) { return Seconds(X509_get0_notAfter(certificate.get())); }

bool HoldsAt(const X509Ptr& certificate, int64_t now_s) {
  return Begin(certificate) <= now_s && now_s < End(certificate);
}
// When most of its time is over.
int64_t DueAt(const X509Ptr& certificate) {
  const int64_t lifetime = End(certificate) - Begin(certificate) - kBackdated;
  return End(certificate) - lifetime / kPartLeft;
}
bool IsDue(const X509Ptr& certificate, int64_t now_s) { return DueAt(certificate) <= now_s; }
bool Fits(const X509Ptr& certificate, const Key& key) {
  return key != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1;
}
bool SignedBy(const X509Ptr& certificate, const X509Ptr& authority) {
  return X509_check_issued(authority.get(), certificate.get()) == X509_V_OK &&
         X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) == 1;
}

bool IsAddress(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

bool IsFor(const X509Ptr& certificate, const std::string& host) {
  return IsAddress(host)
             ? X509_check_ip_asc(certificate.get(), host.c_str(), 0) == 1
             : X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) == 1;
}

std::string AltNames(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    base::StrAppend(&names, names.empty() ? "" : ",", IsAddress(host) ? "IP:" : "DNS:", host);
  }
  return names;
}

// What differs between the two kinds of certificates.
struct Wanted {
  std::string name;  // for people
  int64_t begin_s = 0;
  int64_t end_s = 0;
  std::vector<std::pair<int, std::string>> extensions;
};

bool AddExtensions(const Wanted& wanted, X509* certificate, X509* issuer) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  return std::all_of(wanted.extensions.begin(), wanted.extensions.end(), [&](const auto& each) {
    const Extension extension(
        X509V3_EXT_conf_nid(nullptr, &context, each.first, each.second.c_str()));
    return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
  });
}

bool SetSerial(X509* certificate) {
  unsigned char bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] &= 0x7F;  // positive
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// nullptr where OpenSSL refuses. Without an issuer it signs itself.
X509Ptr Make(const Wanted& wanted, const Key& key, const X509Ptr& issuer, const Key& issuer_key) {
  X509Ptr made(X509_new());
  X509* const certificate = made.get();
  const Time begin(ASN1_TIME_set(nullptr, wanted.begin_s));
  const Time end(ASN1_TIME_set(nullptr, wanted.end_s));
  X509_NAME* const name = X509_get_subject_name(certificate);
  const bool good =
      X509_set_version(certificate, X509_VERSION_3) == 1 && SetSerial(certificate) &&
      X509_set1_notBefore(certificate, begin.get()) == 1 &&
      X509_set1_notAfter(certificate, end.get()) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1,
                                 -1, 0) == 1 &&
      X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer.get()) : name) == 1 &&
      X509_set_pubkey(certificate, key.get()) == 1 &&
      AddExtensions(wanted, certificate, issuer ? issuer.get() : certificate) &&
      X509_sign(certificate, issuer ? issuer_key.get() : key.get(), EVP_sha256()) > 0;
  return good ? std::move(made) : nullptr;
}

X509Ptr MakeAuthority(const Key& key, int64_t now_s, std::chrono::seconds lifetime) {
  // With the time: no two authorities that are trusted together have one name.
  return Make({.name = base::StrCat("Levada webhook ", now_s),
               .begin_s = now_s - kBackdated,
               .end_s = now_s + lifetime.count(),
               .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                              {NID_key_usage, "critical,keyCertSign"},
                              {NID_subject_key_identifier, "hash"}}},
              key, nullptr, nullptr);
}

X509Ptr MakeServer(const Key& key, const std::vector<std::string>& hosts, int64_t now_s,
                   std::chrono::seconds lifetime, const X509Ptr& issuer, const Key& issuer_key) {
  return Make({.name = "levada-operator",
               .begin_s = std::max(now_s - kBackdated, Begin(issuer)),
               .end_s = std::min(now_s + lifetime.count(), End(issuer)),
               .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                              {NID_key_usage, "critical,digitalSignature"},
                              {NID_ext_key_usage, "serverAuth"},
                              {NID_subject_key_identifier, "hash"},
                              {NID_authority_key_identifier, "keyid:always"},
                              {NID_subject_alt_name, AltNames(hosts)}}},
              key, issuer, issuer_key);
}

bool CanServe(const X509Ptr& certificate, const Key& key, const std::vector<X509Ptr>& authorities,
              const std::vector<std::string>& hosts, int64_t now_s) {
  return Fits(certificate, key) && HoldsAt(certificate, now_s) &&
         std::all_of(hosts.begin(), hosts.end(),
                     [&](const std::string& host) { return IsFor(certificate, host); }) &&
         std::any_of(authorities.begin(), authorities.end(),
                     [&](const X509Ptr& authority) { return SignedBy(certificate, authority); });
}

absl::Status Refused(std::string_view what) {
  return absl::InternalError(base::StrCat("OpenSSL makes no ", what));
}

}  // namespace

absl::StatusOr<Certificates> Renew(const Certificates& stored,
                                   const std::vector<std::string>& hosts, int64_t now_s,
                                   const Lifetimes& lifetimes) {
  Certificates wanted = stored;
  std::vector<X509Ptr> authorities = ReadCertificates(stored.authorities);
  Key authority_key = ReadKey(stored.authority_key);
  std::erase_if(authorities, [&](const X509Ptr& each) { return !HoldsAt(each, now_s); });
  const std::vector<X509Ptr> serving = ReadCertificates(stored.certificate);
  const bool serves =
      !serving.empty() && CanServe(serving[0], ReadKey(stored.key), authorities, hosts, now_s);
  const auto sign = [&] {
    const Key key(EVP_EC_gen("P-256"));
    const X509Ptr certificate =
        MakeServer(key, hosts, now_s, lifetimes.server, authorities[0], authority_key);
    if (certificate == nullptr) return Refused("certificate for these hosts");
    wanted.certificate = ToPem(certificate);
    wanted.key = ToPem(key);
    return absl::OkStatus();
  };

  const int64_t settle_s = lifetimes.settle.count();
  const bool newest_signs = !authorities.empty() && Fits(authorities[0], authority_key);
  const bool is_due = newest_signs && IsDue(authorities[0], now_s);
  bool is_signed = false;
  if (is_due && (!serves || DueAt(serving[0]) <= now_s + settle_s)) {
    // Once more, as the key goes: until the next one may sign, nobody could.
    if (absl::Status status = sign(); !status.ok()) return status;
    is_signed = true;
  }
  if (!newest_signs || is_due) {
    authority_key = Key(EVP_EC_gen("P-256"));
    X509Ptr authority = MakeAuthority(authority_key, now_s, lifetimes.authority);
    if (authority == nullptr) return Refused("authority");
    authorities.insert(authorities.begin(), std::move(authority));
    wanted.authority_key = ToPem(authority_key);
  }
  wanted.authorities.clear();
  for (const X509Ptr& authority : authorities) wanted.authorities += ToPem(authority);

  const int64_t age_s = now_s - Begin(authorities[0]) - kBackdated;
  const bool is_renewed = serves && age_s >= settle_s && IsDue(serving[0], now_s);
  if (is_signed || (serves && !is_renewed)) return wanted;
  if (absl::Status status = sign(); !status.ok()) return status;
  return wanted;
}

absl::StatusOr<int64_t> EndOf(const std::string& pem) {
  const std::vector<X509Ptr> certificates = ReadCertificates(pem);
  if (certificates.empty()) return absl::InvalidArgumentError("no certificate (PEM)");
  return End(certificates[0]);
}

}  // namespace levada::webhook
