// Sends events to a gateway as fast as it answers, on a number of connections that each wait for
// their answer.
//
//   ingest_load http|unary|stream PORT CONNECTIONS SECONDS EVENTS_A_REQUEST
//
// Prints {"requests":n,"events":n,"failed":n,"seconds":s,"p50_ms":x,"p99_ms":y}.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/strings.h"
#include "core/generate/fraud_event.h"
#include "levada/v1/services.grpc.pb.h"

namespace levada {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

struct Load {
  uint16_t port = 0;
  int connections = 1;
  double seconds = 5;
  size_t batch = 1;
  Clock::time_point end;
};

struct Tally {
  std::vector<float> millis;
  size_t failed = 0;

  void Answered(Clock::time_point begun, bool good) {
    millis.push_back(std::chrono::duration<float, std::milli>(Clock::now() - begun).count());
    failed += !good;
  }
};

std::vector<std::string> MakeEvents(size_t count) {
  generate::FraudSimulator simulator(generate::FraudOptions{});
  std::vector<std::string> events(count);
  generate::Transaction transaction;
  for (std::string& event : events) {
    if (simulator.Next(&transaction)) generate::AppendEvent(transaction, &event);
  }
  return events;
}

// One connection: the same request over and over.
class HttpClient : public std::enable_shared_from_this<HttpClient> {
 public:
  HttpClient(asio::io_context& io, const Load& load, const std::string& request)
      : socket_(io), load_(load), request_(request) {
    socket_.connect({asio::ip::address_v4::loopback(), load.port});
    socket_.set_option(tcp::no_delay(true));
  }

  void Send() {
    if (Clock::now() >= load_.end) return;
    begun_ = Clock::now();
    asio::async_write(socket_, asio::buffer(request_),
                      [self = shared_from_this()](boost::system::error_code error, size_t) {
                        if (!error) self->Receive();
                      });
  }

  const Tally& tally() const { return tally_; }

 private:
  void Receive() {
    socket_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](boost::system::error_code error, size_t n) {
                              if (error) return;
                              self->response_.append(self->bytes_.data(), n);
                              self->Complete() ? self->Done() : self->Receive();
                            });
  }

  bool Complete() const {
    const size_t head = response_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const size_t length = response_.find("Content-Length: ");
    if (length > head) return true;
    return response_.size() >=
           head + 4 + std::strtoul(response_.c_str() + length + 16, nullptr, 10);
  }

  void Done() {
    tally_.Answered(begun_, response_.starts_with("HTTP/1.1 200"));
    response_.clear();
    Send();
  }

  tcp::socket socket_;
  const Load& load_;
  const std::string& request_;
  Clock::time_point begun_;
  std::array<char, 65536> bytes_;
  std::string response_;
  Tally tally_;
};

Tally RunHttp(const Load& load) {
  std::string body;
  for (const std::string& event : MakeEvents(load.batch)) body += event + "\n";
  const std::string request =
      base::StrCat("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: ",
                   load.batch == 1 ? "application/json" : "application/x-ndjson",
                   "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  asio::io_context io(1);
  std::vector<std::shared_ptr<HttpClient>> clients;
  for (int i = 0; i < load.connections; ++i) {
    clients.push_back(std::make_shared<HttpClient>(io, load, request));
    clients.back()->Send();
  }
  io.run();
  Tally all;
  for (const auto& client : clients) {
    const Tally& tally = client->tally();
    all.millis.insert(all.millis.end(), tally.millis.begin(), tally.millis.end());
    all.failed += tally.failed;
  }
  return all;
}

std::unique_ptr<v1::IngestService::Stub> Connect(const Load& load) {
  return v1::IngestService::NewStub(grpc::CreateChannel(base::StrCat("127.0.0.1:", load.port),
                                                        grpc::InsecureChannelCredentials()));
}

bool AllAccepted(const v1::PublishResponse& response, size_t events) {
  return static_cast<size_t>(response.results_size()) == events &&
         std::all_of(response.results().begin(), response.results().end(),
                     [](const auto& result) { return result.code() == v1::EventResult::ACCEPTED; });
}

void Unary(const Load& load, const v1::PublishRequest& request, v1::IngestService::Stub& stub,
           Tally* tally) {
  while (Clock::now() < load.end) {
    const auto begun = Clock::now();
    grpc::ClientContext context;
    v1::PublishResponse response;
    const grpc::Status status = stub.Publish(&context, request, &response);
    tally->Answered(begun, status.ok() && AllAccepted(response, load.batch));
  }
}

// Several requests under way, as a client that wants throughput has them.
void Stream(const Load& load, const v1::PublishRequest& request, v1::IngestService::Stub& stub,
            Tally* tally) {
  constexpr size_t kUnderWay = 8;
  grpc::ClientContext context;
  const auto stream = stub.PublishStream(&context);
  std::deque<Clock::time_point> begun;
  v1::PublishResponse response;
  bool writing = true;
  while (writing || !begun.empty()) {
    if (writing && Clock::now() >= load.end) {
      writing = false;
      stream->WritesDone();
    }
    if (writing && begun.size() < kUnderWay) {
      begun.push_back(Clock::now());
      if (!stream->Write(request)) return;
      continue;
    }
    if (begun.empty()) break;
    if (!stream->Read(&response)) return;
    tally->Answered(begun.front(), AllAccepted(response, load.batch));
    begun.pop_front();
  }
  stream->Finish();
}

Tally RunGrpc(const Load& load, bool streams) {
  v1::PublishRequest request;
  for (const std::string& event : MakeEvents(load.batch)) request.add_events(event);
  const auto stub = Connect(load);
  std::vector<Tally> tallies(static_cast<size_t>(load.connections));
  std::vector<std::thread> threads;
  for (Tally& tally : tallies) {
    threads.emplace_back([&] { (streams ? Stream : Unary)(load, request, *stub, &tally); });
  }
  for (std::thread& thread : threads) thread.join();
  Tally all;
  for (const Tally& tally : tallies) {
    all.millis.insert(all.millis.end(), tally.millis.begin(), tally.millis.end());
    all.failed += tally.failed;
  }
  return all;
}

void Print(Tally tally, size_t batch, double seconds) {
  std::sort(tally.millis.begin(), tally.millis.end());
  const auto quantile = [&](double q) {
    return tally.millis.empty()
               ? 0.0
               : tally
                     .millis[static_cast<size_t>(q * static_cast<double>(tally.millis.size() - 1))];
  };
  std::printf(
      "{\"requests\":%zu,\"events\":%zu,\"failed\":%zu,\"seconds\":%.3f,\"p50_ms\":%.3f,"
      "\"p99_ms\":%.3f}\n",
      tally.millis.size(), tally.millis.size() * batch, tally.failed, seconds, quantile(0.5),
      quantile(0.99));
}

}  // namespace
}  // namespace levada

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(
        stderr, "usage: ingest_load http|unary|stream PORT CONNECTIONS SECONDS EVENTS_A_REQUEST\n");
    return 2;
  }
  const std::string kind = argv[1];
  levada::Load load;
  load.port = static_cast<uint16_t>(std::atoi(argv[2]));
  load.connections = std::atoi(argv[3]);
  load.seconds = std::atof(argv[4]);
  load.batch = static_cast<size_t>(std::atoi(argv[5]));
  const auto begun = levada::Clock::now();
  load.end = begun + std::chrono::microseconds(static_cast<int64_t>(load.seconds * 1e6));
  levada::Tally tally =
      kind == "http" ? levada::RunHttp(load) : levada::RunGrpc(load, kind == "stream");
  levada::Print(std::move(tally), load.batch,
                std::chrono::duration<double>(levada::Clock::now() - begun).count());
}
