#include "core/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <zlib.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/strings.h"
#include "core/http/gzip.h"

namespace levada::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A client that sends bytes as they are.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  // False once the server has closed the connection.
  bool Send(std::string_view bytes) {
    error_code error;
    asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), error);
    return !error;
  }

  // One response: head and Content-Length bytes of body. Empty when the connection is closed.
  std::string ReadResponse(bool head_only = false) {
    size_t head_end;
    while ((head_end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::exchange(pending_, "");
    }
    size_t size = head_end + 4;
    const size_t length = pending_.find("Content-Length: ");
    if (!head_only && length < head_end) size += std::stoul(pending_.substr(length + 16));
    while (pending_.size() < size) {
      if (!Fill()) return std::exchange(pending_, "");
    }
    std::string response = pending_.substr(0, size);
    pending_.erase(0, size);
    return response;
  }

  std::string Call(std::string_view request) {
    Send(request);
    return ReadResponse();
  }

  void CloseSending() { socket_.shutdown(tcp::socket::shutdown_send); }

  bool Closed() { return pending_.empty() && !Fill(); }

 private:
  // Blocking; false at the end of the stream (a time-out shows as neither).
  bool Fill() {
    char bytes[4096];
    const ssize_t got = recv(socket_.native_handle(), bytes, sizeof bytes, 0);
    EXPECT_FALSE(got < 0 && errno == EAGAIN) << "nothing came within 10 s";
    if (got <= 0) return false;
    pending_.append(bytes, got);
    return true;
  }

  asio::io_context io_;
  tcp::socket socket_;
  std::string pending_;
};

std::string Post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return base::StrCat("POST ", path, " HTTP/1.1\r\nHost: test\r\n", headers,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

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

void Echo(ServerRequest request, Responder responder) {
  responder.Send({.body = std::move(request.body), .content_type = "text/plain"});
}

class ServerTest : public testing::Test {
 protected:
  void Start(Server::Options options = {}) {
    options.address = "127.0.0.1";
    auto server = Server::Start(
        options, {
                     {"POST", "/echo", Echo},
                     {"GET", "/hello",
                      [](ServerRequest request, Responder responder) {
                        responder.Send({.body = "hello " + request.Parameter("name")});
                      }},
                     {"GET", "/dropped", [](ServerRequest, Responder) {}},
                     {"GET", "/throws",
                      [](ServerRequest, Responder) -> void { throw std::runtime_error("no"); }},
                     {"POST", "/later",
                      [this](ServerRequest, Responder responder) {
                        std::lock_guard lock(mutex_);
                        waiting_.push_back(std::move(responder));
                        arrived_.notify_all();
                      }},
                 });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // The responder of the next request to /later.
  Responder TakeWaiting() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return !waiting_.empty(); }));
    Responder responder = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return responder;
  }

  bool WaitForConnections(int count) {
    for (int i = 0; i < 1000; ++i) {
      if (server_->connections() == count) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Responder> waiting_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  Start();
  RawClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    const std::string response = client.Call(Post("/echo", base::StrCat("body ", i)));
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(response, HasSubstr("\r\nDate: "));
    EXPECT_THAT(response, EndsWith(base::StrCat("\r\n\r\nbody ", i)));
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(ServerTest, ClosesWhenTheClientAsksAndSpeaksHttp10) {
  Start();
  RawClient one(server_->port());
  EXPECT_THAT(one.Call("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(one.Closed());
  RawClient old(server_->port());
  EXPECT_THAT(old.Call("GET /hello HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
  RawClient old_alive(server_->port());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(old_alive.Call("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                HasSubstr("Connection: keep-alive\r\n"));
  }
}

TEST_F(ServerTest, ReadsQueriesAndAbsoluteTargets) {
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(client.Call("GET /hello?a=1&name=J%c3%bcrgen+T&b HTTP/1.1\r\nHost: a\r\n\r\n"),
              EndsWith("\r\n\r\nhello Jürgen T"));
  EXPECT_THAT(client.Call("GET http://a/hello?name=x HTTP/1.1\r\nHost: a\r\n\r\n"),
              EndsWith("\r\n\r\nhello x"));
  EXPECT_THAT(client.Call("GET /hello?name=100%&name=2 HTTP/1.1\r\nHost: a\r\n\r\n"),
              EndsWith("\r\n\r\nhello 100%"));
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  Start();
  RawClient client(server_->port());
  client.Send("HEAD /hello?name=you HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string response = client.ReadResponse(true);
  EXPECT_THAT(response, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(client.Call("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, SaysWhatItDoesNotServe) {
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(
      client.Call("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
      testing::AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("{\"error\":\"there is nothing at "
                                                           "/nothing\"}")));
  EXPECT_THAT(client.Call("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: POST\r\n")));
  EXPECT_THAT(client.Call("DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
              HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(ServerTest, DroppedAndThrowingHandlersAnswer500) {
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(client.Call("GET /dropped HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(client.Call("GET /throws HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(client.Call(Post("/echo", "still here")), EndsWith("still here"));
}

TEST_F(ServerTest, AnswersLaterFromAnotherThread) {
  Start({.threads = 2});
  RawClient client(server_->port());
  client.Send(Post("/later", "x"));
  Responder responder = TakeWaiting();
  std::thread([&] { responder.Send({.status = 202, .body = "done"}); }).join();
  EXPECT_THAT(client.ReadResponse(), testing::AllOf(StartsWith("HTTP/1.1 202"), EndsWith("done")));
  responder.Send({.body = "again"});  // does nothing
  EXPECT_THAT(client.Call(Post("/echo", "next")), EndsWith("next"));
}

TEST_F(ServerTest, AnswersAfterTheServerIsGone) {
  Start();
  RawClient client(server_->port());
  client.Send(Post("/later", "x"));
  Responder responder = TakeWaiting();
  server_.reset();
  responder.Send({.body = "too late"});
  EXPECT_EQ(client.ReadResponse(), "");
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  RawClient client(server_->port());
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Post("/echo", base::StrCat("number ", i));
  client.Send(requests);
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(client.ReadResponse(), EndsWith(base::StrCat("\r\n\r\nnumber ", i)));
  }
}

TEST_F(ServerTest, ChunkedBodies) {
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(client.Call("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
              EndsWith("\r\n\r\nhello world"));
}

TEST_F(ServerTest, RefusesAmbiguousAndBrokenRequests) {
  Start();
  for (const std::string_view request :
       {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "NONSENSE\r\n\r\n", "\x16\x03\x01\x02 a TLS hello \r\n\r\n"}) {
    RawClient client(server_->port());
    const std::string response = client.Call(request);
    EXPECT_THAT(response, StartsWith("HTTP/1.1 400")) << request;
    EXPECT_THAT(response, HasSubstr("{\"error\":\""));
    EXPECT_TRUE(client.Closed()) << request;
  }
}

TEST_F(ServerTest, TruncatedBody) {
  Start();
  RawClient client(server_->port());
  client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  client.CloseSending();
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 400"));
}

TEST_F(ServerTest, OversizeBodiesAreRefusedBeforeTheyAreRead) {
  Start({.max_body_bytes = 1000});
  RawClient client(server_->port());
  EXPECT_THAT(client.Call(Post("/echo", std::string(1000, 'x'))), StartsWith("HTTP/1.1 200"));
  // 50 MB that the client insists on sending: the answer must not be lost.
  const std::string big(50'000'000, 'x');
  std::thread sender([&] { client.Send(Post("/echo", big)); });
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 413"));
  EXPECT_TRUE(client.Closed());
  sender.join();
  RawClient chunked(server_->port());
  chunked.Send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
  chunked.Send(std::string(2000, 'x'));
  EXPECT_THAT(chunked.ReadResponse(), StartsWith("HTTP/1.1 413"));
}

TEST_F(ServerTest, OversizeHead) {
  Start();
  RawClient client(server_->port());
  client.Send(base::StrCat("GET /hello HTTP/1.1\r\nHost: a\r\nX: ", std::string(100'000, 'x')));
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, BoundsAllBodiesTogether) {
  Start({.max_body_bytes = 1000, .max_buffered_bytes = 1500});
  RawClient first(server_->port());
  first.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx");
  ASSERT_TRUE(WaitForConnections(1));
  std::this_thread::sleep_for(milliseconds(50));
  RawClient second(server_->port());
  EXPECT_THAT(second.Call(Post("/echo", std::string(1000, 'y'))),
              testing::AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: 1\r\n")));
  first.Send(std::string(999, 'x'));
  EXPECT_THAT(first.ReadResponse(), StartsWith("HTTP/1.1 200"));
  RawClient third(server_->port());
  EXPECT_THAT(third.Call(Post("/echo", std::string(1000, 'y'))), StartsWith("HTTP/1.1 200"));
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

TEST_F(ServerTest, ExpectContinue) {
  Start();
  RawClient client(server_->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(true), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.Call("body"), EndsWith("\r\n\r\nbody"));
  // Refused without asking for the body.
  client.Send(
      "POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 404"));
  RawClient other(server_->port());
  other.Send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 4\r\n\r\n");
  EXPECT_THAT(other.ReadResponse(), StartsWith("HTTP/1.1 417"));
}

TEST_F(ServerTest, SlowClientsAreCutOffAndOthersServed) {
  Start({.max_connections = 4,
         .idle_timeout = milliseconds(300),
         .header_timeout = milliseconds(300),
         .body_timeout = milliseconds(300)});
  RawClient idle(server_->port());
  RawClient slow_head(server_->port());
  RawClient slow_body(server_->port());
  RawClient busy(server_->port());
  slow_body.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  ASSERT_TRUE(WaitForConnections(4));
  std::thread dribble([&] {
    for (int i = 0; i < 40 && slow_head.Send("G"); ++i) {
      slow_body.Send("x");
      std::this_thread::sleep_for(milliseconds(50));
    }
  });
  EXPECT_THAT(busy.Call(Post("/echo", "served")), EndsWith("served"));
  // The fifth connection waits for a place, which the slow ones lose.
  RawClient late(server_->port());
  EXPECT_THAT(late.Call(Post("/echo", "late")), EndsWith("late"));
  dribble.join();
  EXPECT_TRUE(idle.Closed());
  EXPECT_TRUE(slow_head.Closed());
  EXPECT_TRUE(slow_body.Closed());
}

TEST_F(ServerTest, DrainFinishesWhatIsUnderWay) {
  Start({.threads = 2});
  RawClient idle(server_->port());
  RawClient busy(server_->port());
  busy.Send(Post("/later", "x"));
  Responder responder = TakeWaiting();
  ASSERT_TRUE(WaitForConnections(2));
  server_->BeginDrain();
  EXPECT_TRUE(idle.Closed());
  RawClient fresh(server_->port());
  EXPECT_THAT(fresh.Call(Post("/echo", "x")), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(fresh.Closed());
  const uint16_t port = server_->port();
  std::atomic<bool> drained{false};
  std::thread stop([&] { drained = server_->Stop(std::chrono::seconds(10)); });
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_THROW(RawClient refused(port), boost::system::system_error);
  responder.Send({.body = "finished"});
  const std::string response = busy.ReadResponse();
  EXPECT_THAT(response, EndsWith("finished"));
  EXPECT_THAT(response, HasSubstr("Connection: close\r\n"));
  stop.join();
  EXPECT_TRUE(drained);
}

TEST_F(ServerTest, DrainGivesUpAtItsDeadline) {
  Start();
  RawClient busy(server_->port());
  busy.Send(Post("/later", "x"));
  Responder responder = TakeWaiting();
  EXPECT_FALSE(server_->Stop(milliseconds(50)));
  EXPECT_TRUE(busy.Closed());
}

TEST_F(ServerTest, SaysWhyItCannotStart) {
  Start();
  EXPECT_TRUE(absl::IsUnavailable(
      Server::Start({.address = "127.0.0.1", .port = server_->port()}, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Server::Start({.address = "nowhere"}, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Server::Start({.address = "127.0.0.1", .tls_certificate = "x", .tls_key = "y"}, {})
          .status()));
}

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
