#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Signatures of requests to S3 (AWS Signature Version 4), for requests without a body or a query.
//
//   for (auto& header : Sign({.host = "s3.example.com", .path = "/models/fraud.json",
//                             .region = "us-east-1", .time_micros = base::NowMicros()}, keys)) ...
//
// Threads: pure functions.
namespace levada::s3 {

struct Credentials {
  std::string access_key_id;  // empty: requests are not signed
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct UnsignedRequest {
  std::string method = "GET";
  std::string host;  // as in the header `Host`
  std::string path;  // percent-encoded by EncodePath
  Headers headers;   // more that are signed; names in lower case
  std::string region;
  int64_t time_micros = 0;
};

// The headers that make it a signed request: those that it has, and its own.
Headers Sign(const UnsignedRequest& request, const Credentials& credentials);

// Percent-encodes what is not a letter, a digit or one of `-._~/`.
std::string EncodePath(std::string_view path);

}  // namespace levada::s3
