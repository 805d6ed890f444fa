// What ingest is measured against: servers that take the same requests and do nothing with them.
//
//   ingest_bare http THREADS      Boost.Beast alone, as its own examples write a server
//   ingest_bare levada THREADS    core/http/server.h
//   ingest_bare grpc              the gRPC service, answering at once
//
// Prints its port and serves until its standard input ends.
#include <grpcpp/grpcpp.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/http/server.h"
#include "levada/v1/services.grpc.pb.h"

namespace levada {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

constexpr char kAnswer[] = R"({"accepted":1,"rejected":0,"results":[]})";

void ServeUntilInputEnds(int port) {
  std::cout << port << std::endl;
  while (std::cin.get() != EOF) {
  }
}

class BareSession : public std::enable_shared_from_this<BareSession> {
 public:
  explicit BareSession(tcp::socket socket) : stream_(std::move(socket)) {}

  void Read() {
    request_ = {};
    stream_.expires_after(std::chrono::seconds(30));
    beast::http::async_read(stream_, buffer_, request_,
                            [self = shared_from_this()](beast::error_code error, size_t) {
                              if (!error) self->Write();
                            });
  }

 private:
  void Write() {
    response_ = {beast::http::status::ok, request_.version()};
    response_.set(beast::http::field::content_type, "application/json");
    response_.keep_alive(request_.keep_alive());
    response_.body() = kAnswer;
    response_.prepare_payload();
    beast::http::async_write(stream_, response_,
                             [self = shared_from_this()](beast::error_code error, size_t) {
                               if (!error) self->Read();
                             });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  beast::http::request<beast::http::string_body> request_;
  beast::http::response<beast::http::string_body> response_;
};

class BareServer {
 public:
  explicit BareServer(int threads) {
    for (int i = 0; i < threads; ++i) contexts_.push_back(std::make_unique<asio::io_context>(1));
    for (auto& context : contexts_) {
      guards_.push_back(asio::make_work_guard(*context));
      std::thread([raw = context.get()] { raw->run(); }).detach();
    }
    acceptor_ = std::make_unique<tcp::acceptor>(*contexts_[0],
                                                tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    asio::post(*contexts_[0], [this] { Accept(); });
  }
  int port() const { return acceptor_->local_endpoint().port(); }

 private:
  void Accept() {
    auto& context = *contexts_[next_++ % contexts_.size()];
    acceptor_->async_accept(context, [this, &context](beast::error_code error, tcp::socket socket) {
      if (error) return;
      asio::post(context,
                 [session = std::make_shared<BareSession>(std::move(socket))] { session->Read(); });
      Accept();
    });
  }

  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::unique_ptr<tcp::acceptor> acceptor_;
  size_t next_ = 0;
};

void RunLevada(int threads) {
  http::Server::Options options;
  options.address = "127.0.0.1";
  options.threads = threads;
  auto server = http::Server::Start(
      options, {{"POST", "/v1/events", [](http::ServerRequest, http::Responder responder) {
                   responder.Send({.body = kAnswer});
                 }}});
  ServeUntilInputEnds((*server)->port());
}

void Answer(const v1::PublishRequest& request, v1::PublishResponse* response) {
  response->clear_results();
  for (int i = 0; i < request.events_size(); ++i) {
    v1::EventResult* const result = response->add_results();
    result->set_code(v1::EventResult::ACCEPTED);
    result->set_offset(i);
  }
}

class BareStream : public grpc::ServerBidiReactor<v1::PublishRequest, v1::PublishResponse> {
 public:
  BareStream() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    Answer(request_, &response_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  v1::PublishRequest request_;
  v1::PublishResponse response_;
};

class BareGrpc final : public v1::IngestService::CallbackService {
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override {
    Answer(*request, response);
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerBidiReactor<v1::PublishRequest, v1::PublishResponse>* PublishStream(
      grpc::CallbackServerContext*) override {
    return new BareStream;
  }
};

void RunGrpc() {
  BareGrpc service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  ServeUntilInputEnds(port);
}

}  // namespace
}  // namespace levada

int main(int argc, char** argv) {
  const std::string kind = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  if (kind == "http") {
    levada::BareServer server(threads);
    levada::ServeUntilInputEnds(server.port());
    std::_Exit(0);  // its threads are never asked to end
  } else if (kind == "levada") {
    levada::RunLevada(threads);
  } else if (kind == "grpc") {
    levada::RunGrpc();
  } else {
    std::fprintf(stderr, "usage: ingest_bare http|levada|grpc [THREADS]\n");
    return 2;
  }
}
