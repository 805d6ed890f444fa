#include "services/scoring/peers/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "core/base/secrets.h"

namespace levada::scoring::peers {
namespace {

std::string Text(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     ASN1_STRING_length(text));
}

std::string IpText(const ASN1_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = ASN1_STRING_length(bytes) == sizeof(in_addr) ? AF_INET : AF_INET6;
  const int wanted = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  if (ASN1_STRING_length(bytes) != wanted) return "";
  inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

std::string AlternativeName(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::string ip;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) return Text(name->d.dNSName);
    if (name->type == GEN_IPADD && ip.empty()) ip = IpText(name->d.iPAddress);
  }
  return ip;
}

std::string CommonName(X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? "" : Text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

}  // namespace

absl::StatusOr<Certificate> ReadCertificate(const base::Secrets& secrets,
                                            const std::string& secret) {
  if (secret.empty()) return Certificate();
  auto certificate = secrets.Get(secret, "tls.crt");
  if (!certificate.ok()) return certificate.status();
  auto key = secrets.Get(secret, "tls.key");
  if (!key.ok()) return key.status();
  auto authority = secrets.Get(secret, "ca.crt");
  if (!authority.ok() && !absl::IsNotFound(authority.status())) return authority.status();
  return Certificate{*std::move(certificate), *std::move(key), authority.value_or("")};
}

absl::StatusOr<std::string> NameOf(const std::string& certificate) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> first(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (first == nullptr) return absl::InvalidArgumentError("tls.crt holds no certificate");
  std::string name = AlternativeName(first.get());
  if (name.empty()) name = CommonName(first.get());
  if (name.empty()) return absl::InvalidArgumentError("tls.crt is for no name");
  return name;
}

}  // namespace levada::scoring::peers
