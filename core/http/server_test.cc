#include "core/http/server.h"

#include <atomic>

#include "core/http/server_testing.h"

namespace levada::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

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

}  // namespace
}  // namespace levada::http
