#include "core/s3/signature.h"

#include <gmock/gmock.h>

namespace levada::s3 {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

const Credentials kKeys = {.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                           .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
constexpr int64_t kTime = 1'369'353'600'000'000;  // 20130524T000000Z

std::string SignatureOf(const UnsignedRequest& request, const Credentials& credentials) {
  for (const auto& [name, value] : Sign(request, credentials)) {
    if (name == "authorization") return value.substr(value.rfind('=') + 1);
  }
  return "";
}

// The example "GET Object" of Amazon's documentation of Signature Version 4.
TEST(SignatureTest, IsThatOfTheDocumentation) {
  const UnsignedRequest request{.host = "examplebucket.s3.amazonaws.com",
                                .path = "/test.txt",
                                .headers = {{"range", "bytes=0-9"}},
                                .region = "us-east-1",
                                .time_micros = kTime};
  EXPECT_EQ(SignatureOf(request, kKeys),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  const Headers headers = Sign(request, kKeys);
  EXPECT_THAT(headers, Contains(Pair("x-amz-date", "20130524T000000Z")));
  EXPECT_THAT(headers, Contains(Pair("range", "bytes=0-9")));
  EXPECT_THAT(headers,
              Contains(Pair("authorization",
                            HasSubstr("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                                      "aws4_request,SignedHeaders=host;range;"
                                      "x-amz-content-sha256;x-amz-date,"))));
}

TEST(SignatureTest, DependsOnAllThatIsSigned) {
  const UnsignedRequest request{
      .host = "h", .path = "/a", .region = "eu-central-1", .time_micros = kTime};
  const std::string signature = SignatureOf(request, kKeys);
  for (const auto& change : std::vector<std::function<void(UnsignedRequest*)>>{
           [](auto* r) { r->host += "g"; }, [](auto* r) { r->path += "b"; },
           [](auto* r) { r->region += "1"; }, [](auto* r) { r->time_micros += 1'000'000; },
           [](auto* r) {
             r->headers = {{"if-match", "\"x\""}};
           }}) {
    UnsignedRequest changed = request;
    change(&changed);
    EXPECT_NE(SignatureOf(changed, kKeys), signature);
  }
}

TEST(SignatureTest, ASessionsTokenIsSigned) {
  Credentials session = kKeys;
  session.session_token = "token";
  const Headers headers = Sign({.host = "h", .path = "/a", .region = "r"}, session);
  EXPECT_THAT(headers, Contains(Pair("x-amz-security-token", "token")));
  EXPECT_THAT(headers, Contains(Pair("authorization", HasSubstr(";x-amz-security-token,"))));
}

TEST(SignatureTest, PathsAreEncodedOnce) {
  EXPECT_EQ(EncodePath("/models/a b+c=ü~_-.json"), "/models/a%20b%2Bc%3D%C3%BC~_-.json");
  EXPECT_EQ(EncodePath("/a%20b"), "/a%2520b");
}

}  // namespace
}  // namespace levada::s3
