#include "core/http/client_tls.h"

#include <openssl/ssl.h>

#include <string>

#include "core/base/strings.h"

namespace levada::http {
namespace {

using boost::asio::ssl::context;
using boost::system::error_code;

absl::Status Wrong(std::string_view what, const std::string& file, const error_code& error) {
  return absl::InvalidArgumentError(base::StrCat(what, " ", file.empty() ? "given as text" : file,
                                                 " cannot be read as PEM: ", error.message()));
}

absl::Status LoadAuthorities(const Tls& tls, context* context) {
  if (tls.ca_file.empty() && tls.ca_pem.empty()) return absl::OkStatus();
  SSL_CTX_set_cert_store(context->native_handle(), X509_STORE_new());
  error_code error;
  if (!tls.ca_file.empty()) {
    context->load_verify_file(tls.ca_file, error);
  } else {
    context->add_certificate_authority(boost::asio::buffer(tls.ca_pem), error);
  }
  return error ? Wrong("caFile", tls.ca_file, error) : absl::OkStatus();
}

absl::Status LoadCertificate(const Tls& tls, context* context) {
  if (tls.certificate_file.empty() && tls.certificate_pem.empty()) return absl::OkStatus();
  error_code error;
  if (!tls.certificate_file.empty()) {
    context->use_certificate_chain_file(tls.certificate_file, error);
  } else {
    context->use_certificate_chain(boost::asio::buffer(tls.certificate_pem), error);
  }
  if (error) return Wrong("client certificate", tls.certificate_file, error);
  if (!tls.key_file.empty()) {
    context->use_private_key_file(tls.key_file, context::pem, error);
  } else {
    context->use_private_key(boost::asio::buffer(tls.key_pem), context::pem, error);
  }
  return error ? Wrong("client key", tls.key_file, error) : absl::OkStatus();
}

}  // namespace

absl::Status CheckTls(const Tls& tls) {
  context context(context::tls_client);
  const absl::Status authorities = LoadAuthorities(tls, &context);
  return authorities.ok() ? LoadCertificate(tls, &context) : authorities;
}

void ConfigureTls(const Tls& tls, context* context) {
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  // Checked when the client was made. What a later renewal breaks fails in the handshake, and is
  // read again for the next connection.
  LoadAuthorities(tls, context).IgnoreError();
  LoadCertificate(tls, context).IgnoreError();
}

}  // namespace levada::http
