#include "core/http/client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace levada::http {
namespace {

using ::testing::HasSubstr;

// Answers each request with the bytes that `answer` makes of it; no bytes: the connection is
// closed. One connection after the other. With a certificate it speaks TLS.
class RawServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  explicit RawServer(Answer answer, const std::string& certificate = "",
                     const std::string& key = "")
      : answer_(std::move(answer)) {
    signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to connections that the client has closed
    if (!certificate.empty()) {
      tls_ = SSL_CTX_new(TLS_server_method());
      EXPECT_EQ(SSL_CTX_use_certificate_file(tls_, certificate.c_str(), SSL_FILETYPE_PEM), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(tls_, key.c_str(), SSL_FILETYPE_PEM), 1);
    }
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listener_, 8);
    acceptor_ = std::thread([this] { AcceptAll(); });
  }

  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int connection : open_) shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& worker : workers_) worker.join();
    close(listener_);
    SSL_CTX_free(tls_);
  }

  std::string Url(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }
  int connections() const { return connections_; }

 private:
  void AcceptAll() {
    for (;;) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.insert(connection);
      workers_.emplace_back([this, connection] { Run(connection); });
    }
  }

  void Run(int connection) {
    SSL* session = nullptr;
    if (tls_ != nullptr) {
      session = SSL_new(tls_);
      SSL_set_fd(session, connection);
    }
    if (session == nullptr || SSL_accept(session) == 1) Serve(connection, session);
    SSL_free(session);
    const std::lock_guard lock(mutex_);
    open_.erase(connection);
    close(connection);
  }

  void Serve(int connection, SSL* session) {
    std::string bytes;
    char chunk[4096];
    for (;;) {
      const int n = session != nullptr ? SSL_read(session, chunk, sizeof chunk)
                                       : static_cast<int>(read(connection, chunk, sizeof chunk));
      if (n <= 0) return;
      bytes.append(chunk, n);
      const size_t head = bytes.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const size_t at = bytes.find("Content-Length:");
      const size_t length = at < head ? std::stoul(bytes.substr(at + 15)) : 0;
      if (bytes.size() < head + 4 + length) continue;
      const std::string reply = answer_(bytes);
      bytes.clear();
      if (reply.empty()) return;
      if (session != nullptr) {
        SSL_write(session, reply.data(), static_cast<int>(reply.size()));
      } else {
        send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
      }
      if (reply.find("Connection: close") != std::string::npos) return;
    }
  }

  Answer answer_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  std::atomic<int> connections_ = 0;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> workers_;
};

std::string Ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nX-Seen: yes\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::unique_ptr<Client> Connect(const Client::Options& options) {
  auto client = Client::Create(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return client.ok() ? std::move(*client) : nullptr;
}

std::string Gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string BodyOf(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

TEST(ClientTest, SendsAndReceivesOverKeptConnections) {
  std::string seen;
  RawServer server([&](const std::string& request) {
    seen = request;
    return Ok(BodyOf(request) + "!");
  });
  auto client = Connect({.base_url = server.Url() + "/base", .user = "u", .password = "p w"});
  for (int i = 0; i < 20; ++i) {
    auto response = client->Send(
        {.method = "POST", .path = "/echo?a=1", .headers = {{"X-Id", "7"}}, .body = "{\"n\":1}"});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "{\"n\":1}!");
    EXPECT_EQ(response->Header("x-seen"), "yes");
    EXPECT_EQ(response->Header("absent"), "");
  }
  EXPECT_THAT(seen, HasSubstr("POST /base/echo?a=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization:Basic dTpwIHc="));
  EXPECT_THAT(seen, HasSubstr("X-Id:7"));
  EXPECT_THAT(seen, HasSubstr("Content-Type:application/json"));
  // A connection goes back a moment after its answer was read: now and then a second one is opened.
  EXPECT_LT(server.connections(), 10);
}

TEST(ClientTest, CompressesTheBodyWhenAsked) {
  const std::string text(100'000, 'x');
  std::string plain;
  RawServer server([&](const std::string& request) {
    EXPECT_THAT(request, HasSubstr("Content-Encoding:gzip"));
    plain = Gunzip(BodyOf(request));
    return Ok("");
  });
  auto client = Connect({.base_url = server.Url()});
  ASSERT_TRUE(client->Send({.method = "POST", .body = text, .gzip = true}).ok());
  EXPECT_EQ(plain, text);
}

TEST(ClientTest, EveryStatusIsAnAnswerAndRedirectsAreNotFollowed) {
  for (const std::string status : {"302 Found", "404 Not Found", "500 Broken"}) {
    RawServer server([&](const std::string&) {
      return "HTTP/1.1 " + status +
             "\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno";
    });
    auto response = Connect({.base_url = server.Url()})->Send({});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, std::stoi(status));
    EXPECT_EQ(response->body, "no");
  }
}

TEST(ClientTest, NobodyListeningIsUnavailableWithTheAddress) {
  auto response = Connect({.base_url = "http://127.0.0.1:1"})->Send({});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("127.0.0.1:1: "));
}

TEST(ClientTest, ASilentServerRunsIntoTheTimeLimit) {
  std::atomic<bool> done = false;
  RawServer server([&](const std::string&) {
    while (!done) usleep(1000);
    return std::string();
  });
  auto client = Connect({.base_url = server.Url(), .timeout = std::chrono::milliseconds(200)});
  const auto begin = std::chrono::steady_clock::now();
  const auto response = client->Send({});
  done = true;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientTest, AnAnswerThatEndsEarlyIsUnavailable) {
  RawServer server([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf";
  });
  auto response = Connect({.base_url = server.Url()})->Send({});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response->body;
}

TEST(ClientTest, AnAnswerThatIsTooLargeIsUnavailable) {
  RawServer server([](const std::string&) { return Ok(std::string(300'000, 'x')); });
  auto response = Connect({.base_url = server.Url(), .max_response_bytes = 100'000})->Send({});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientTest, NoiseInPlaceOfHttpIsUnavailable) {
  RawServer server([](const std::string&) { return std::string("SSH-2.0 Connection: close\r\n"); });
  auto response = Connect({.base_url = server.Url()})->Send({});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientTest, AConnectionClosedWhileKeptIsOpenedAgain) {
  std::atomic<int> requests = 0;
  RawServer server([&](const std::string&) { return ++requests == 2 ? "" : Ok("fine"); });
  auto client = Connect({.base_url = server.Url()});
  ASSERT_TRUE(client->Send({.method = "POST", .body = "1"}).ok());
  usleep(100'000);  // until the connection is kept
  ASSERT_TRUE(client->Send({.method = "POST", .body = "2"}).ok());
  EXPECT_EQ(server.connections(), 2);
}

TEST(ClientTest, WrongAddressesAndHeadersAreRefused) {
  EXPECT_EQ(Client::Create({.base_url = "ftp://host"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Create({.base_url = "http://a b"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Create({.base_url = "https://h", .ca_file = "/none"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  auto client = Connect({.base_url = "http://127.0.0.1:1"});
  EXPECT_EQ(client->Send({.headers = {{"X", "a\r\nY: b"}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client->Send({.path = "/a b"}).status().code(), absl::StatusCode::kInvalidArgument);
}

// Certificates: of localhost by our authority; of another host by the same; self-signed.
class ClientTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = std::filesystem::path(::testing::TempDir()) / ("tls-" + std::to_string(getpid()));
    std::filesystem::create_directories(dir_);
    const std::string new_key = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 ";
    const std::string in = "cd '" + dir_.string() + "' && exec 2>/dev/null && ";
    const std::string signed_by_ca = "-CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE ";
    ASSERT_EQ(std::system((in + new_key + "-subj /CN=ca -keyout ca.key -out ca.pem").c_str()), 0);
    ASSERT_EQ(std::system((in + new_key + "-subj /CN=good -keyout good.key -out good.pem " +
                           signed_by_ca + "-addext subjectAltName=DNS:localhost,IP:127.0.0.1")
                              .c_str()),
              0);
    ASSERT_EQ(std::system((in + new_key + "-subj /CN=other -keyout other.key -out other.pem " +
                           signed_by_ca + "-addext subjectAltName=DNS:other.example")
                              .c_str()),
              0);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(dir_); }

  static std::string File(const std::string& name) { return (dir_ / name).string(); }

  absl::StatusOr<Response> Get(const std::string& certificate, const std::string& ca,
                               const std::string& host) {
    RawServer server([](const std::string&) { return Ok("secret"); }, File(certificate + ".pem"),
                     File(certificate + ".key"));
    return Connect({.base_url = server.Url("https", host), .ca_file = ca})->Send({});
  }

  static std::filesystem::path dir_;
};
std::filesystem::path ClientTlsTest::dir_;

TEST_F(ClientTlsTest, ATrustedCertificateOfTheHostIsAccepted) {
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    auto response = Get("good", File("ca.pem"), host);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body, "secret");
  }
}

TEST_F(ClientTlsTest, ACertificateOfAnotherHostIsRefused) {
  auto response = Get("other", File("ca.pem"), "localhost");
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("TLS handshake failed"));
}

TEST_F(ClientTlsTest, ACertificateThatNobodyTrustsIsRefused) {
  EXPECT_EQ(Get("good", "", "localhost").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get("ca", File("good.pem"), "localhost").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace levada::http
