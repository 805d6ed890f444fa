#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <boost/asio/ssl.hpp>

#include "core/http/server_testing.h"

namespace levada::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Certificate {
  std::string certificate;
  std::string key;
};

std::string ReadAll(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size);
  BIO_free(bio);
  return text;
}

Certificate SelfSigned() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -60);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, key);
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(x509, name);
  X509_sign(x509, key, EVP_sha256());
  BIO* certificate = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate, x509);
  BIO* key_pem = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_pem, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(x509);
  EVP_PKEY_free(key);
  return {ReadAll(certificate), ReadAll(key_pem)};
}

TEST_F(ServerTest, Tls) {
  const Certificate certificate = SelfSigned();
  Start({.tls_certificate = certificate.certificate, .tls_key = certificate.key});
  asio::io_context io;
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.add_certificate_authority(asio::buffer(certificate.certificate));
  context.set_verify_mode(asio::ssl::verify_peer);
  asio::ssl::stream<tcp::socket> stream(io, context);
  stream.next_layer().connect({asio::ip::make_address("127.0.0.1"), server_->port()});
  stream.handshake(asio::ssl::stream_base::client);
  for (const std::string_view connection : {"", "Connection: close\r\n"}) {
    asio::write(stream, asio::buffer(Post("/echo", "secret", connection)));
    std::string response;
    while (!response.ends_with("secret")) {
      char bytes[1000];
      response.append(bytes, stream.read_some(asio::buffer(bytes)));
    }
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200"));
  }
  error_code error;
  char byte;
  stream.read_some(asio::buffer(&byte, 1), error);
  EXPECT_EQ(error, asio::error::eof);  // closed with a close_notify, not cut off
  // Plain HTTP at the TLS port is no request.
  RawClient plain(server_->port());
  EXPECT_THAT(plain.Call(Post("/echo", "x")), Not(HasSubstr("HTTP/1.1")));
}

// A connection that trusts just one certificate.
class TlsClient {
 public:
  TlsClient(uint16_t port, const std::string& trusted) : context_(asio::ssl::context::tls_client) {
    context_.add_certificate_authority(asio::buffer(trusted));
    context_.set_verify_mode(asio::ssl::verify_peer);
    stream_.emplace(io_, context_);
    stream_->next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
    stream_->handshake(asio::ssl::stream_base::client, error_);
  }

  bool connected() const { return !error_; }

  std::string Call(const std::string& body) {
    asio::write(*stream_, asio::buffer(Post("/echo", body)));
    std::string response;
    while (!response.ends_with(body)) {
      char bytes[1000];
      response.append(bytes, stream_->read_some(asio::buffer(bytes)));
    }
    return response;
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_;
  std::optional<asio::ssl::stream<tcp::socket>> stream_;
  error_code error_;
};

TEST_F(ServerTest, ACertificateIsReplacedBelowOpenConnections) {
  const Certificate first = SelfSigned();
  const Certificate second = SelfSigned();
  Start({.tls_certificate = first.certificate, .tls_key = first.key});
  TlsClient before(server_->port(), first.certificate);
  ASSERT_TRUE(before.connected());
  EXPECT_FALSE(server_->SetCertificate(second.certificate, first.key).ok()) << "of two pairs";
  EXPECT_TRUE(TlsClient(server_->port(), first.certificate).connected()) << "nothing changed";

  ASSERT_TRUE(server_->SetCertificate(second.certificate, second.key).ok());
  EXPECT_THAT(before.Call("goes on"), StartsWith("HTTP/1.1 200"));
  EXPECT_FALSE(TlsClient(server_->port(), first.certificate).connected());
  TlsClient after(server_->port(), second.certificate);
  ASSERT_TRUE(after.connected());
  EXPECT_THAT(after.Call("new"), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace levada::http
