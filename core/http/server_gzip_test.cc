#include <zlib.h>

#include "core/http/gzip.h"
#include "core/http/server_testing.h"

namespace levada::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string Gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = out.size();
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(ServerTest, GzipBodies) {
  Start({.max_body_bytes = 100'000});
  RawClient client(server_->port());
  const std::string gzip = "Content-Encoding: gzip\r\n";
  EXPECT_THAT(client.Call(Post("/echo", Gzip("squeezed"), gzip)), EndsWith("\r\n\r\nsqueezed"));
  EXPECT_THAT(client.Call(Post("/echo", Gzip("one ") + Gzip("two"), gzip)),
              EndsWith("\r\n\r\none two"));
  EXPECT_THAT(client.Call(Post("/echo", Gzip(std::string(100'000, 'a')), gzip)),
              StartsWith("HTTP/1.1 200"));
  const std::string bomb = Gzip(std::string(50'000'000, 'a'));
  ASSERT_LT(bomb.size(), 100'000u);
  EXPECT_THAT(client.Call(Post("/echo", bomb, gzip)), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(client.Call(Post("/echo", "not gzip", gzip)), StartsWith("HTTP/1.1 400"));
  const std::string whole = Gzip("squeezed and cut");
  EXPECT_THAT(client.Call(Post("/echo", whole.substr(0, whole.size() - 3), gzip)),
              HasSubstr("ends in the middle"));
  EXPECT_THAT(client.Call(Post("/echo", "x", "Content-Encoding: br\r\n")),
              testing::AllOf(StartsWith("HTTP/1.1 415"), HasSubstr("Accept-Encoding: gzip\r\n")));
}

TEST(GzipTest, BoundIsExact) {
  const std::string compressed = Gzip(std::string(200'000, 'z'));
  std::string out = "kept ";
  EXPECT_TRUE(Gunzip(compressed, 200'000, &out).ok());
  EXPECT_EQ(out.size(), 200'005u);
  out.clear();
  EXPECT_TRUE(absl::IsResourceExhausted(Gunzip(compressed, 199'999, &out)));
  EXPECT_TRUE(absl::IsInvalidArgument(Gunzip("", 10, &out)));
}

}  // namespace
}  // namespace levada::http
