#include "core/s3/bucket.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"
#include "core/http/raw_server.h"

namespace levada::s3 {
namespace {

using http::RawServer;
using testing::HasSubstr;
using testing::Not;

std::string Answer(std::string_view head, std::string_view body = "") {
  return base::StrCat("HTTP/1.1 ", head, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string Refusal(std::string_view status, std::string_view code) {
  return Answer(status, base::StrCat("<?xml version=\"1.0\"?><Error><Code>", code,
                                     "</Code><Message>because of that</Message></Error>"));
}

class BucketTest : public testing::Test {
 protected:
  void Serve(std::string answer) {
    server_ = std::make_unique<RawServer>([this, answer](const std::string& request) {
      request_ = request;
      return answer;
    });
    options_.endpoint = server_->Url();
  }

  absl::StatusOr<Bucket::Part> Read(const std::string& key, const Bucket::Range& range = {}) {
    auto bucket = Bucket::Open(options_);
    EXPECT_TRUE(bucket.ok()) << bucket.status();
    return (*bucket)->Read(key, range);
  }

  Bucket::Options options_{.bucket = "models",
                           .credentials = {.access_key_id = "id", .secret_access_key = "key"}};
  std::string request_;
  std::unique_ptr<RawServer> server_;
};

TEST_F(BucketTest, APartIsReadWithTheSizeOfTheWhole) {
  Serve(Answer("206 Partial Content\r\nContent-Range: bytes 4-6/1000\r\nETag: \"e1\"", "abc"));
  const auto part = Read("fraud/a b.json", {.offset = 4, .length = 3, .if_match = "\"e1\""});
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->bytes, "abc");
  EXPECT_EQ(part->size_bytes, 1000);
  EXPECT_EQ(part->etag, "\"e1\"");
  EXPECT_THAT(request_, testing::StartsWith("GET /models/fraud/a%20b.json HTTP/1.1\r\n"));
  EXPECT_THAT(request_, HasSubstr("range:bytes=4-6\r\n"));
  EXPECT_THAT(request_, HasSubstr("if-match:\"e1\"\r\n"));
  EXPECT_THAT(request_, HasSubstr("authorization:AWS4-HMAC-SHA256 Credential=id/"));
}

TEST_F(BucketTest, TheSignedHostIsTheOneThatIsAskedFor) {
  Serve(Answer("206 Partial Content\r\nContent-Range: bytes 0-0/1", "a"));
  ASSERT_TRUE(Read("a").ok());
  const std::string host = server_->Url().substr(std::string("http://").size());
  EXPECT_THAT(request_, HasSubstr(base::StrCat("Host: ", host, "\r\n")));
  EXPECT_THAT(request_, HasSubstr("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"));
  EXPECT_EQ(request_.find("host:"), std::string::npos) << "told once";
}

TEST_F(BucketTest, WithoutKeysNothingIsSigned) {
  options_.credentials = {};
  Serve(Answer("206 Partial Content\r\nContent-Range: bytes 0-0/1", "a"));
  ASSERT_TRUE(Read("a").ok());
  EXPECT_THAT(request_, Not(HasSubstr("authorization")));
}

TEST_F(BucketTest, WhatIsNotThereAndWhatIsTheSame) {
  Serve(Answer("304 Not Modified"));
  EXPECT_TRUE(Read("a", {.if_none_match = "\"e1\""})->unchanged);
  EXPECT_THAT(request_, HasSubstr("if-none-match:\"e1\"\r\n"));
  Serve(Refusal("416 Range Not Satisfiable", "InvalidRange"));
  const auto empty = Read("a");
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->size_bytes, 0);
}

TEST_F(BucketTest, ErrorsSayWhatTheServerSaid) {
  const std::vector<std::pair<std::string, absl::StatusCode>> cases = {
      {"404 Not Found", absl::StatusCode::kNotFound},
      {"403 Forbidden", absl::StatusCode::kPermissionDenied},
      {"412 Precondition Failed", absl::StatusCode::kAborted},
      {"503 Slow Down", absl::StatusCode::kUnavailable},
      {"429 Too Many Requests", absl::StatusCode::kUnavailable},
      {"400 Bad Request", absl::StatusCode::kInvalidArgument},
      {"301 Moved Permanently", absl::StatusCode::kInvalidArgument}};
  for (const auto& [status, code] : cases) {
    Serve(Refusal(status, "SomeCode"));
    const auto part = Read("a");
    EXPECT_EQ(part.status().code(), code) << status;
    EXPECT_THAT(std::string(part.status().message()),
                HasSubstr(base::StrCat(status.substr(0, 3), " SomeCode: because of that")));
  }
  Serve(Answer("403 Forbidden", "<html>"));
  EXPECT_EQ(Read("a").status().message(), "answered 403");
  Serve(Answer("206 Partial Content", "abc"));
  EXPECT_THAT(std::string(Read("a").status().message()), HasSubstr("size"));
}

TEST_F(BucketTest, ABucketInTheHostName) {
  options_ = {.endpoint = "http://localhost:1", .path_style = false, .bucket = "models"};
  const auto part = Read("a");
  EXPECT_TRUE(absl::IsUnavailable(part.status()));
  EXPECT_THAT(std::string(part.status().message()), HasSubstr("models.localhost"));
}

}  // namespace
}  // namespace levada::s3
