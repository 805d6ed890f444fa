#include "core/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "core/http/raw_server.h"

namespace levada::http {
namespace {

using ::testing::HasSubstr;

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

TEST_F(ClientTlsTest, AuthoritiesAndNamesCanBeGivenOtherwise) {
  std::ifstream file(File("ca.pem"));
  const std::string ca_pem((std::istreambuf_iterator<char>(file)), {});
  const auto get = [&](const Tls& tls) {
    RawServer server([](const std::string&) { return Ok("secret"); }, File("other.pem"),
                     File("other.key"));
    return Connect({.base_url = server.Url("https"), .tls = tls})->Send({});
  };
  EXPECT_TRUE(get({.ca_pem = ca_pem, .server_name = "other.example"}).ok());
  EXPECT_FALSE(get({.ca_pem = ca_pem, .server_name = "another.example"}).ok());
  EXPECT_FALSE(get({.ca_pem = ca_pem}).ok());
  EXPECT_TRUE(get({.skip_verify = true}).ok());
}

TEST_F(ClientTlsTest, ACertificateOfTheClientIsShown) {
  const auto get = [&](Tls tls) {
    RawServer server([](const std::string&) { return Ok("secret"); }, File("good.pem"),
                     File("good.key"), File("ca.pem"));
    tls.ca_file = File("ca.pem");
    return Connect({.base_url = server.Url("https"), .tls = tls})->Send({});
  };
  EXPECT_TRUE(get({.certificate_file = File("other.pem"), .key_file = File("other.key")}).ok());
  EXPECT_FALSE(get({}).ok());
  EXPECT_EQ(
      Client::Create({.base_url = "https://h",
                      .tls = {.certificate_file = File("other.pem"), .key_file = File("good.key")}})
          .status()
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(ClientTlsTest, ACertificateThatNobodyTrustsIsRefused) {
  EXPECT_EQ(Get("good", "", "localhost").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get("ca", File("good.pem"), "localhost").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace levada::http
