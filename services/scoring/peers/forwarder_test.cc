// Detectors of several workers that answer for one another, over gRPC. What Kafka says of who has
// which partition is the test's.

#include "services/scoring/peers/forwarder.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "core/http/client.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/scoring/detector.h"
#include "services/scoring/peers/address.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using testing::HasSubstr;

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 2, key: card, timestamp: at}
  - {name: out}
  stages:
  - name: score
    scoring:
      from: in
      steps:
      - features:
          by: [card]
          over: [1h]
          set: [{name: seen, value: count()}]
      to: out
      serve: {}
)";

// "21" is in partition 0 of 2, "abc" in 1, by Kafka's Java client.
std::string EventOf(std::string_view card) {
  return base::StrCat(R"({"card":")", card, R"(","at":"2026-11-02T08:00:00Z"})");
}

std::string Target(const DetectorServer& server) {
  return *peers::ParseAddress(peers::ClientId("127.0.0.1", server.grpc_port()), "");
}

// Who has which partition; shared by all workers of a test.
struct Group {
  std::mutex mutex;
  peers::Owners owners;

  void Set(int32_t partition, const std::string& address) {
    const std::lock_guard lock(mutex);
    owners[partition] = address;
  }
  peers::Look look() {
    return [this]() -> absl::StatusOr<peers::Owners> {
      const std::lock_guard lock(mutex);
      return owners;
    };
  }
};

class Worker {
 public:
  explicit Worker(Group& group, const peers::Certificate& certificate = {}) : stage_(kManifest) {
    stage_.stage().mutable_scoring()->mutable_serve()->set_port(0);
    stage_.stage().mutable_scoring()->mutable_serve()->set_grpc_port(0);
    stream_ = stage_.MakeChain();
    auto own = Chain::Make(stage_.context(), stream_.get());
    EXPECT_TRUE(own.ok()) << own.status();
    detector_.emplace(*std::move(own), stage_.context().FindTopic("in"));
    auto forwarder = peers::Forwarder::Create(peers::NewDirectory(group.look()), certificate,
                                              stage_.context().registry, stage_.context().Labels());
    EXPECT_TRUE(forwarder.ok()) << forwarder.status();
    forwarder_ = *std::move(forwarder);
    detector_->set_forwarder(forwarder_.get());
    auto server = DetectorServer::Start(stage_.context(), certificate, &*detector_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    Stateful().SetPartitions(2);
  }

  runtime::Stateful& Stateful() { return *stream_->state(); }
  std::string address() const { return Target(*server_); }
  void Stop() { server_.reset(); }

  void Take(int32_t partition) {
    Stateful().Assign(partition, 2);
    Stateful().Restored(partition);
  }

  // As the stream does.
  void Process(const std::string& event, int32_t partition) {
    std::vector<Record> records(1);
    records[0].value = event;
    records[0].partition = partition;
    OutputBatch out;
    ASSERT_TRUE(stream_->Process(Batch("in", records, nullptr), &out).ok());
    ASSERT_EQ(out.records().size(), 1u);
  }

  absl::StatusOr<Answer> Ask(std::string_view card, bool forwarded = false) {
    auto said = std::make_shared<std::promise<absl::StatusOr<Answer>>>();
    detector_->Detect(EventOf(card), forwarded, [said](absl::StatusOr<Answer> answer) {
      said->set_value(std::move(answer));
    });
    return said->get_future().get();
  }
  // How many events of the card the one who answers has seen, with this one.
  std::string Seen(std::string_view card) {
    const absl::StatusOr<Answer> answer = Ask(card);
    if (!answer.ok()) return std::string(answer.status().message());
    const size_t at = answer->event.find(R"("seen_1h":)");
    return at == std::string::npos ? answer->event : answer->event.substr(at + 10, 1);
  }

  std::string Metrics() {
    return prometheus::TextSerializer().Serialize(stage_.context().registry.Collect());
  }
  DetectorServer& server() { return *server_; }
  peers::Forwarder& forwarder() { return *forwarder_; }

 private:
  TestStage stage_;
  std::unique_ptr<Chain> stream_;
  std::optional<Detector> detector_;
  std::unique_ptr<peers::Forwarder> forwarder_;
  std::unique_ptr<DetectorServer> server_;
};

class ForwarderTest : public testing::Test {
 protected:
  ForwarderTest() {
    one_.Take(0);
    two_.Take(1);
    group_.Set(0, one_.address());
    group_.Set(1, two_.address());
  }

  Group group_;
  Worker one_{group_};
  Worker two_{group_};
};

TEST_F(ForwarderTest, EveryWorkerAnswersForAllKeysAndChangesNothing) {
  two_.Process(EventOf("abc"), 1);
  two_.Process(EventOf("abc"), 1);
  one_.Process(EventOf("21"), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(one_.Seen("abc"), "3");
    EXPECT_EQ(two_.Seen("abc"), "3");
    EXPECT_EQ(one_.Seen("21"), "2");
    EXPECT_EQ(two_.Seen("21"), "2");
  }
  EXPECT_THAT(one_.Metrics(), HasSubstr(R"(result="answered"} 3)"));
  EXPECT_THAT(one_.Metrics(), HasSubstr(R"(result="failed"} 0)"));
}

TEST_F(ForwarderTest, OverRestAndGrpcToo) {
  two_.Process(EventOf("abc"), 1);
  auto client = http::Client::Create(
      {.base_url = base::StrCat("http://127.0.0.1:", one_.server().http_port())});
  const auto rest =
      (*client)->Send({.method = "POST", .path = "/v1/detect", .body = EventOf("abc")});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->status, 200);
  EXPECT_THAT(rest->body, HasSubstr(R"("seen_1h":2)"));
  const auto stub = v1::Detector::NewStub(
      grpc::CreateChannel(one_.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::DetectRequest request;
  v1::DetectResponse response;
  request.set_event(EventOf("abc"));
  ASSERT_TRUE(stub->Detect(&context, request, &response).ok());
  EXPECT_THAT(response.event(), HasSubstr(R"("seen_1h":2)"));
}

TEST_F(ForwarderTest, TheCallersFaultStaysTheCallersFault) {
  const std::string broken = R"({"card":"abc","at":"never"})";
  auto said = std::make_shared<std::promise<absl::StatusOr<Answer>>>();
  one_.forwarder().Detect(
      1, broken, [said](absl::StatusOr<Answer> answer) { said->set_value(std::move(answer)); });
  EXPECT_TRUE(absl::IsInvalidArgument(said->get_future().get().status()));
}

TEST_F(ForwarderTest, AnEventIsNotPassedOnTwice) {
  group_.Set(1, one_.address());  // wrong: neither has it
  two_.Stateful().Release(1);
  const absl::Status asked = two_.Ask("abc").status();
  EXPECT_TRUE(absl::IsUnavailable(asked));
  EXPECT_THAT(asked.message(), HasSubstr("this worker does not have"));
  EXPECT_THAT(asked.message(), HasSubstr("Ask again in a few seconds"));
  EXPECT_TRUE(absl::IsUnavailable(one_.Ask("abc", true).status()));
  EXPECT_THAT(one_.Metrics(), HasSubstr(R"(result="failed"} 0)")) << "it has asked nobody";
  EXPECT_THAT(two_.Metrics(), HasSubstr(R"(result="failed"} 1)"));
}

TEST_F(ForwarderTest, APartitionThatMovedIsFoundAgain) {
  Worker three(group_);
  EXPECT_EQ(one_.Seen("abc"), "1");
  two_.Stateful().Release(1);
  three.Take(1);
  three.Process(EventOf("abc"), 1);
  group_.Set(1, three.address());
  EXPECT_EQ(one_.Seen("abc"), "2") << "the one who had it said so, and was looked for again";
  two_.Stop();
  EXPECT_EQ(one_.Seen("abc"), "2");
}

TEST_F(ForwarderTest, AWorkerThatIsGoneIsSaid) {
  two_.Stop();
  const absl::Status asked = one_.Ask("abc").status();
  EXPECT_TRUE(absl::IsUnavailable(asked)) << asked;
  EXPECT_THAT(asked.message(), HasSubstr("partition 1"));
  auto client = http::Client::Create(
      {.base_url = base::StrCat("http://127.0.0.1:", one_.server().http_port())});
  const auto rest =
      (*client)->Send({.method = "POST", .path = "/v1/detect", .body = EventOf("abc")});
  EXPECT_EQ(rest->status, 503);
  EXPECT_EQ(rest->Header("Retry-After"), "1");
}

TEST_F(ForwarderTest, WhoHoldsItsEventsBackIsNotWaitedForLongAndNotWithoutBound) {
  // A port that takes connections and never says a word.
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  getsockname(silent, reinterpret_cast<sockaddr*>(&at), &size);
  group_.Set(1, base::StrCat("ipv4:127.0.0.1:", ntohs(at.sin_port)));

  const auto began = std::chrono::steady_clock::now();
  std::promise<absl::Status> first;
  one_.forwarder().Detect(1, EventOf("abc"), [&](const absl::StatusOr<Answer>& answer) {
    first.set_value(answer.status());
  });
  std::atomic<int> refused{0};
  std::atomic<int> failed{0};
  for (int i = 0; i < 100; ++i) {
    one_.forwarder().Detect(
        1, std::string(1 << 20, 'x'), [&](const absl::StatusOr<Answer>& answer) {
          base::View(answer.status().message()).starts_with("too many") ? ++refused : ++failed;
        });
  }
  EXPECT_GE(refused, 60);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2)) << "nothing waits";
  EXPECT_EQ(one_.Seen("21"), "1") << "the others are answered meanwhile";
  EXPECT_TRUE(absl::IsUnavailable(first.get_future().get()));
  while (refused + failed < 100) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_LT(std::chrono::steady_clock::now() - began,
            peers::kAnswerWithin + std::chrono::seconds(3));
  group_.Set(1, two_.address());
  EXPECT_EQ(one_.Seen("abc"), "1") << "their memory is free again";
  close(silent);
}

TEST_F(ForwarderTest, EndingEndsTheCallsUnderWay) {
  std::atomic<int> answered{0};
  {
    Worker three(group_);
    for (int i = 0; i < 50; ++i) {
      three.forwarder().Detect(1, EventOf("abc"),
                               [&](const absl::StatusOr<Answer>&) { ++answered; });
    }
  }
  EXPECT_EQ(answered, 50);
}

// Certificates as people have them, made by openssl.
class Authority {
 public:
  Authority() : folder_(testing::TempDir() + base::StrCat("authority-", ++made_, "-", getpid())) {
    std::filesystem::create_directories(folder_);
    Run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt "
        "-subj /CN=ca -days 2");
  }
  ~Authority() { std::filesystem::remove_all(folder_); }

  peers::Certificate Issue(const std::string& name, bool with_authority) {
    Run(
        base::StrCat("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out "
                     "tls.csr -subj /CN=x"));
    std::ofstream(folder_ + "/san") << "subjectAltName=DNS:" << name << "\n";
    Run("x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 2 "
        "-extfile san");
    return {Read("tls.crt"), Read("tls.key"), with_authority ? Read("ca.crt") : ""};
  }

 private:
  void Run(const std::string& arguments) {
    const std::string command =
        base::StrCat("cd ", folder_, " && openssl ", arguments, " 2>openssl.log");
    ASSERT_EQ(std::system(command.c_str()), 0) << Read("openssl.log");
  }
  std::string Read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/" + name).rdbuf();
    return text.str();
  }

  static inline int made_ = 0;
  const std::string folder_;
};

// What the first says of a card that the second has.
std::string AnswerBetween(const peers::Certificate& mine, const peers::Certificate& theirs) {
  Group group;
  Worker one(group, mine);
  Worker two(group, theirs);
  two.Take(1);
  group.Set(1, two.address());
  return one.Seen("abc");
}

TEST(ForwarderTlsTest, WorkersWithTheSameCertificateTrustEachOther) {
  Authority authority;
  for (const bool with_authority : {true, false}) {
    const auto pair = authority.Issue("detector.example.com", with_authority);
    EXPECT_EQ(AnswerBetween(pair, pair), "1") << with_authority;
  }
  const auto wildcard = authority.Issue("*.example.com", true);
  EXPECT_EQ(AnswerBetween(wildcard, wildcard), "1");
}

TEST(ForwarderTlsTest, ARenewedOneIsTrustedByItsAuthority) {
  Authority authority;
  const auto before = authority.Issue("detector.example.com", true);
  const auto after = authority.Issue("detector.example.com", true);
  EXPECT_EQ(AnswerBetween(before, after), "1");
  EXPECT_EQ(AnswerBetween(after, before), "1");
}

TEST(ForwarderTlsTest, NobodyElseIsAsked) {
  Authority authority;
  Authority stranger;
  const auto mine = authority.Issue("detector.example.com", true);
  EXPECT_THAT(AnswerBetween(mine, stranger.Issue("detector.example.com", true)),
              HasSubstr("another worker (partition 1"));
  EXPECT_THAT(AnswerBetween(mine, authority.Issue("other.example.com", true)),
              HasSubstr("another worker (partition 1"));
  EXPECT_THAT(AnswerBetween(mine, {}), HasSubstr("another worker (partition 1"))
      << "one that speaks no TLS";
  EXPECT_THAT(AnswerBetween(authority.Issue("detector.example.com", false),
                            authority.Issue("detector.example.com", false)),
              HasSubstr("another worker (partition 1"))
      << "another certificate, and no authority to say that it is as good";
}

}  // namespace
}  // namespace levada::scoring
