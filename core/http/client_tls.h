#pragma once

#include <boost/asio/ssl/context.hpp>

#include "absl/status/status.h"
#include "core/http/client.h"

// The certificates of the client, as OpenSSL wants them. Only for client.cc: includes Asio.
//
// Threads: pure functions, but for reading files.
namespace levada::http {

// kInvalidArgument names the file or text that cannot be read, or the key that does not fit.
absl::Status CheckTls(const Tls& tls);

// For one connection. Files are read now; authorities that cannot be read mean that nobody is
// trusted, a certificate that cannot be read is not shown.
void ConfigureTls(const Tls& tls, boost::asio::ssl::context* context);

}  // namespace levada::http
