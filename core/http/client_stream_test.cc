#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/http/client.h"
#include "core/http/lines.h"
#include "core/http/raw_server.h"

namespace levada::http {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kHead[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string Chunk(const std::string& bytes) {
  char size[16];
  snprintf(size, sizeof size, "%zx", bytes.size());
  return std::string(size) + "\r\n" + bytes + "\r\n";
}
const std::string kEnd = "0\r\n\r\n";

std::unique_ptr<Client> Connect(const RawServer& server) {
  auto client = Client::Create({.base_url = server.Url(), .timeout = milliseconds(2000)});
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(*client);
}

// A server whose stream is held open until the test is over.
class OpenStream {
 public:
  OpenStream() : server([](const std::string&) { return std::string(kHead); }) {
    server.feed = [this](const RawServer::Send& send) {
      send(Chunk("one\n"));
      while (!over) std::this_thread::sleep_for(milliseconds(1));
    };
  }
  ~OpenStream() { over = true; }

  std::atomic<bool> over = false;
  RawServer server;
};

TEST(ClientStreamTest, LinesComeAsTheyAreSent) {
  std::atomic<int> seen = 0;
  RawServer server([](const std::string&) { return std::string(kHead); });
  server.feed = [&](const RawServer::Send& send) {
    send(Chunk("one\ntw"));
    while (seen < 1) std::this_thread::sleep_for(milliseconds(1));  // hangs if it comes at the end
    send(Chunk("o\r\n\n"));
    send(Chunk("three") + kEnd);
  };
  std::vector<std::string> lines;
  auto client = Connect(server);
  const auto response = client->Stream({.path = "/watch"}, {},
                                       [&](std::string_view line) {
                                         lines.emplace_back(line);
                                         ++seen;
                                         return true;
                                       },
                                       {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_THAT(lines, ElementsAre("one", "two", "three"));
}

TEST(ClientStreamTest, ManyAndLargeLinesArrive) {
  const std::string large(3 << 20, 'x');
  RawServer server([](const std::string&) { return std::string(kHead); });
  server.feed = [&](const RawServer::Send& send) {
    for (int i = 0; i < 2000; ++i) send(Chunk(std::string(500, 'a') + "\n"));
    send(Chunk(large + "\n") + kEnd);
  };
  size_t count = 0;
  size_t last = 0;
  auto client = Connect(server);
  const auto response = client->Stream({}, {},
                                       [&](std::string_view line) {
                                         ++count;
                                         last = line.size();
                                         return true;
                                       },
                                       {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(count, 2001u);
  EXPECT_EQ(last, large.size());
}

TEST(ClientStreamTest, ABrokenStreamIsUnavailable) {
  std::atomic<int> lines = 0;
  RawServer server([](const std::string&) { return std::string(kHead); });
  server.feed = [&](const RawServer::Send& send) {
    send(Chunk("one\ntwo"));
    while (lines < 1) std::this_thread::sleep_for(milliseconds(1));
    send("no chunk\r\n");
  };
  auto client = Connect(server);
  const auto response = client->Stream({}, {}, [&](std::string_view) { return ++lines > 0; }, {});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response.status();
  EXPECT_EQ(lines, 1);  // half a line is none
}

TEST(ClientStreamTest, TheReaderCanEndIt) {
  OpenStream open;
  auto client = Connect(open.server);
  const auto response = client->Stream({}, {}, [](std::string_view) { return false; }, {});
  EXPECT_TRUE(response.ok()) << response.status();
}

TEST(ClientStreamTest, StoppingEndsItAtOnce) {
  OpenStream open;
  auto client = Connect(open.server);
  std::stop_source stop;
  std::thread stopper;
  const auto response = client->Stream(
      {}, {},
      [&](std::string_view) {
        stopper = std::thread([&] {
          std::this_thread::sleep_for(milliseconds(50));
          stop.request_stop();
        });
        return true;
      },
      stop.get_token());
  stopper.join();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled) << response.status();
}

TEST(ClientStreamTest, StoppingBeforeTheAnswerEndsIt) {
  std::atomic<bool> over = false;
  RawServer server([&](const std::string&) {
    while (!over) std::this_thread::sleep_for(milliseconds(1));
    return std::string();
  });
  auto client = Connect(server);
  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(50));
    stop.request_stop();
  });
  const auto response = client->Stream(
      {}, {}, [](std::string_view) { return true; }, stop.get_token());
  over = true;
  stopper.join();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kCancelled) << response.status();
}

TEST(ClientStreamTest, SilenceEndsIt) {
  OpenStream open;
  auto client = Connect(open.server);
  const auto response =
      client->Stream({}, {.idle = milliseconds(100)}, [](std::string_view) { return true; }, {});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded) << response.status();
}

TEST(ClientStreamTest, AnEndlessLineEndsIt) {
  RawServer server([](const std::string&) { return std::string(kHead); });
  server.feed = [](const RawServer::Send& send) {
    while (send(Chunk(std::string(1000, 'x')))) {
    }
  };
  auto client = Connect(server);
  const auto response =
      client->Stream({}, {.max_line_bytes = 10'000}, [](std::string_view) { return true; }, {});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("longer than 10000 bytes"));
}

TEST(ClientStreamTest, AnotherStatusIsAnOrdinaryAnswer) {
  RawServer server([](const std::string&) {
    return std::string("HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\na\nb\n");
  });
  auto client = Connect(server);
  const auto response = client->Stream({}, {},
                                       [](std::string_view) {
                                         ADD_FAILURE();
                                         return true;
                                       },
                                       {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 410);
  EXPECT_EQ(response->body, "a\nb\n");
}

TEST(LineSplitterTest, PiecesMakeTheSameLinesHoweverTheyAreCut) {
  const std::string text = "first\r\n\nsecond line\nthird\n\r\nrest";
  for (size_t size = 1; size <= text.size(); ++size) {
    std::vector<std::string> lines;
    const OnLine keep = [&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    };
    LineSplitter splitter(100);
    for (size_t at = 0; at < text.size(); at += size) {
      EXPECT_EQ(splitter.Add(std::string_view(text).substr(at, size), keep),
                LineSplitter::Result::kMore);
    }
    splitter.End(keep);
    EXPECT_THAT(lines, ElementsAre("first", "second line", "third", "rest"));
  }
}

}  // namespace
}  // namespace levada::http
