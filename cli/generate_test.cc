#include "cli/generate.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/generate_options.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/generate/fraud_event.h"
#include "core/http/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace levada::cli {
namespace {

using ::testing::HasSubstr;
using Args = std::vector<std::string_view>;

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "generate-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

int Generate(std::vector<std::string> flags) {
  Args args = {"fraud"};
  args.insert(args.end(), flags.begin(), flags.end());
  return RunGenerate(args);
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string ErrorOf(const Args& args) {
  auto options = ParseGenerateFraud(args);
  return options.ok() ? "no error" : std::string(base::View(options.status().message()));
}

TEST(GenerateOptionsTest, ReadsEveryFlag) {
  auto options = ParseGenerateFraud(Args{"--customers",
                                         "10",
                                         "--terminals=20",
                                         "--days",
                                         "3",
                                         "--start",
                                         "2026-02-28",
                                         "--seed",
                                         "99",
                                         "--count",
                                         "7",
                                         "--rate",
                                         "2.5",
                                         "--to",
                                         "kafka:transactions",
                                         "--kafka",
                                         "a:9092,b:9092",
                                         "--key",
                                         "terminal_id",
                                         "--labels",
                                         "topic:labels"});
  ASSERT_TRUE(options.ok()) << options.status();
  const GenerateOptions& o = **options;
  EXPECT_EQ(o.simulator.customers, 10u);
  EXPECT_EQ(o.simulator.terminals, 20u);
  EXPECT_EQ(o.simulator.days, 3u);
  EXPECT_EQ(o.simulator.start_day, 20'512);
  EXPECT_EQ(o.simulator.seed, 99u);
  EXPECT_EQ(o.count, 7u);
  EXPECT_EQ(o.rate, 2.5);
  EXPECT_EQ(o.to.kind, Destination::Kind::kKafka);
  EXPECT_EQ(o.to.name, "transactions");
  EXPECT_EQ(o.brokers, "a:9092,b:9092");
  EXPECT_EQ(o.key, generate::KeyField::kTerminalId);
  EXPECT_EQ(o.labels.kind, Destination::Kind::kKafka);
  EXPECT_EQ(o.labels.name, "labels");
}

TEST(GenerateOptionsTest, HasDefaults) {
  auto options = ParseGenerateFraud({});
  ASSERT_TRUE(options.ok());
  const GenerateOptions& o = **options;
  EXPECT_EQ(o.to.kind, Destination::Kind::kFile);
  EXPECT_EQ(o.to.name, "-");
  EXPECT_EQ(o.labels.kind, Destination::Kind::kNone);
  EXPECT_FALSE(o.label_field);
  EXPECT_EQ(o.simulator.days, 183u);
  EXPECT_EQ(o.rate, 0);
}

TEST(GenerateOptionsTest, ShowsHelpWhereverItStands) {
  for (const Args& args : {Args{"--help"}, Args{"--days", "3", "-h"}}) {
    auto options = ParseGenerateFraud(args);
    ASSERT_TRUE(options.ok());
    EXPECT_FALSE(options->has_value());
  }
}

TEST(GenerateOptionsTest, EveryFlagIsInTheHelp) {
  for (const char* flag : {"customers", "terminals", "days", "start", "seed", "count", "rate", "to",
                           "kafka", "labels", "key", "batch", "live"}) {
    EXPECT_THAT(std::string(kGenerateFraudHelp), HasSubstr(base::StrCat("\n  --", flag, " ")));
  }
}

TEST(GenerateOptionsTest, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf({"--cuctomers", "1"}), HasSubstr("did you mean \"customers\""));
  EXPECT_EQ(ErrorOf({"--days"}), "--days needs a value: a whole number");
  EXPECT_EQ(ErrorOf({"--days", "-1"}), "--days is \"-1\", expected a whole number");
  EXPECT_EQ(ErrorOf({"--days=1x"}), "--days is \"1x\", expected a whole number");
  EXPECT_EQ(ErrorOf({"--days="}), "--days is \"\", expected a whole number");
  EXPECT_EQ(ErrorOf({"--customers", "4294967296"}),
            "--customers is \"4294967296\", expected a whole number");
  EXPECT_EQ(ErrorOf({"--rate", "0"}), "--rate is \"0\", expected a number above 0");
  EXPECT_EQ(ErrorOf({"--rate", "inf"}), "--rate is \"inf\", expected a number above 0");
  EXPECT_EQ(ErrorOf({"--start", "2026-02-30"}),
            "--start is \"2026-02-30\", expected YYYY-MM-DD or today");
  EXPECT_THAT(ErrorOf({"--labels", "topics:x"}), HasSubstr("expected none, field"));
  EXPECT_THAT(ErrorOf({"--to", "kafka:"}), HasSubstr("expected FILE"));
  EXPECT_EQ(ErrorOf({"events.jsonl"}), "\"events.jsonl\" is not a flag");
  EXPECT_THAT(ErrorOf({"--customers", "0"}), HasSubstr("customers is 0"));
}

TEST(GenerateOptionsTest, RefusesFlagsThatDoNothing) {
  unsetenv("LEVADA_KAFKA");
  EXPECT_EQ(ErrorOf({"--to", "kafka:t"}),
            "a topic needs --kafka BROKERS, or LEVADA_KAFKA to be set");
  EXPECT_THAT(ErrorOf({"--kafka", "b:1"}), HasSubstr("--kafka is only of use"));
  EXPECT_THAT(ErrorOf({"--key", "none"}), HasSubstr("--key is only of use"));
  EXPECT_THAT(ErrorOf({"--batch", "10"}), HasSubstr("--batch is only of use"));
  EXPECT_EQ(ErrorOf({"--live"}), "--live needs --rate");
  EXPECT_THAT(ErrorOf({"--live", "--rate", "1", "--days", "3"}), HasSubstr("--days says nothing"));
}

TEST(GenerateTest, ExitCodes) {
  EXPECT_EQ(RunGenerate({}), 2);
  EXPECT_EQ(RunGenerate(Args{"fruad"}), 2);
  EXPECT_EQ(RunGenerate(Args{"--help"}), 0);
  EXPECT_EQ(Generate({"--help"}), 0);
  EXPECT_EQ(Generate({"--days", "x"}), 2);
  EXPECT_EQ(Generate({"--count", "1", "--to", "/no/such/folder/events"}), 1);
  EXPECT_EQ(Generate({"--to", "/dev/full"}), 1);
  EXPECT_EQ(Generate({"--count", "1", "--to", "http://"}), 2);
  EXPECT_EQ(Generate({"--customers", "1", "--terminals", "1", "--to", "/dev/null"}), 1);
}

TEST(GenerateTest, WritesWhatTheSimulatorMakes) {
  const Folder folder;
  ASSERT_EQ(Generate({"--customers", "100", "--terminals", "900", "--days", "4", "--seed", "5",
                      "--to", folder / "events", "--labels", "file:" + (folder / "labels")}),
            0);
  generate::FraudSimulator simulator({.customers = 100, .terminals = 900, .days = 4, .seed = 5});
  generate::Transaction transaction;
  std::string events;
  std::string labels;
  while (simulator.Next(&transaction)) {
    AppendEvent(transaction, &events);
    events += '\n';
    AppendLabel(transaction, &labels);
    labels += '\n';
  }
  EXPECT_GT(Lines(events).size(), 100u);
  EXPECT_EQ(Read(folder / "events"), events);
  EXPECT_EQ(Read(folder / "labels"), labels);
}

TEST(GenerateTest, CountAndLabelField) {
  const Folder folder;
  ASSERT_EQ(Generate({"--count", "50", "--labels", "field", "--to", folder / "events"}), 0);
  const auto lines = Lines(Read(folder / "events"));
  ASSERT_EQ(lines.size(), 50u);
  for (const std::string& line : lines) {
    EXPECT_TRUE(nlohmann::json::parse(line)["is_fraud"].is_boolean());
  }
}

TEST(GenerateTest, KeepsARateAndTheClock) {
  const Folder folder;
  const int64_t before = base::NowMicros();
  ASSERT_EQ(Generate({"--live", "--rate", "400", "--count", "200", "--to", folder / "events"}), 0);
  const int64_t after = base::NowMicros();
  EXPECT_GE(after - before, 450'000);
  const auto lines = Lines(Read(folder / "events"));
  ASSERT_EQ(lines.size(), 200u);
  int64_t last = before - 1'000;  // event times are whole milliseconds
  for (const std::string& line : lines) {
    const std::string time = nlohmann::json::parse(line)["event_time"];
    const int64_t micros = base::ParseTimestamp(time).value_or(0);
    EXPECT_GE(micros, last);
    last = micros;
  }
  EXPECT_LE(last, after);
}

TEST(GenerateTest, CtrlCEndsItWithAllWritten) {
  const Folder folder;
  std::jthread interrupter([&] {
    for (int i = 0; i < 500 && Read(folder / "events").empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::raise(SIGINT);
  });
  ASSERT_EQ(Generate({"--days", "0", "--rate", "1000", "--to", folder / "events"}), 0);
  const std::string text = Read(folder / "events");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text.back(), '\n');
}

// A gateway that answers as it is told to.
class Gateway {
 public:
  using Answer = std::function<http::ServerResponse(int request, const std::string& body)>;

  explicit Gateway(Answer answer) : answer_(std::move(answer)) {
    auto server = http::Server::Start(
        {.address = "127.0.0.1"},
        {{"POST", "/v1/transactions",
          [this](http::ServerRequest request, http::Responder responder) {
            std::lock_guard lock(mutex_);
            bodies_.push_back(request.body);
            keys_.emplace_back(request.Header("Idempotency-Key"));
            types_.emplace_back(request.Header("Content-Type"));
            responder.Send(answer_(static_cast<int>(bodies_.size()), request.body));
          }}});
    server_ = *std::move(server);
  }

  std::string url() const {
    return base::StrCat("http://127.0.0.1:", server_->port(), "/v1/transactions");
  }
  const std::vector<std::string>& bodies() const { return bodies_; }
  const std::vector<std::string>& keys() const { return keys_; }
  const std::vector<std::string>& types() const { return types_; }

 private:
  const Answer answer_;
  std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::vector<std::string> keys_;
  std::vector<std::string> types_;
  std::unique_ptr<http::Server> server_;
};

http::ServerResponse AllTaken() { return {.body = R"({"accepted":1,"rejected":0,"results":[]})"}; }

std::string Expected(uint64_t count) {
  const Folder folder;
  EXPECT_EQ(Generate({"--count", std::to_string(count), "--to", folder / "events"}), 0);
  return Read(folder / "events");
}

TEST(GenerateHttpTest, PostsBatchesEachWithItsKey) {
  Gateway gateway([](int, const std::string&) { return AllTaken(); });
  ASSERT_EQ(Generate({"--count", "25", "--batch", "10", "--to", gateway.url()}), 0);
  ASSERT_EQ(gateway.bodies().size(), 3u);
  EXPECT_EQ(gateway.bodies()[0] + gateway.bodies()[1] + gateway.bodies()[2], Expected(25));
  EXPECT_EQ(Lines(gateway.bodies()[2]).size(), 5u);
  EXPECT_EQ(std::set(gateway.keys().begin(), gateway.keys().end()).size(), 3u);
  EXPECT_EQ(gateway.types()[0], "application/x-ndjson");
}

TEST(GenerateHttpTest, RepeatsWithTheSameKeyWhenTheGatewayIsBusy) {
  Gateway gateway([](int request, const std::string&) {
    if (request == 1) return http::ServerResponse::Error(429, "slower");
    if (request == 2) return http::ServerResponse::Error(503, "draining");
    return AllTaken();
  });
  ASSERT_EQ(Generate({"--count", "5", "--to", gateway.url()}), 0);
  ASSERT_EQ(gateway.bodies().size(), 3u);
  EXPECT_EQ(gateway.bodies()[0], gateway.bodies()[2]);
  EXPECT_EQ(gateway.keys()[0], gateway.keys()[2]);
}

TEST(GenerateHttpTest, WaitsAsLongAsRetryAfterSays) {
  Gateway gateway([](int request, const std::string&) {
    http::ServerResponse busy = http::ServerResponse::Error(429, "slower");
    busy.headers.emplace_back("Retry-After", "1");
    return request == 1 ? busy : AllTaken();
  });
  const int64_t before = base::NowMicros();
  ASSERT_EQ(Generate({"--count", "5", "--to", gateway.url()}), 0);
  EXPECT_GE(base::NowMicros() - before, 1'000'000);
}

TEST(GenerateHttpTest, FailsAtOnceOnWhatWillNotPass) {
  Gateway gateway([](int, const std::string&) { return http::ServerResponse::Error(404, "no"); });
  EXPECT_EQ(Generate({"--count", "5", "--to", gateway.url()}), 1);
  EXPECT_EQ(gateway.bodies().size(), 1u);
}

TEST(GenerateHttpTest, RefusedEventsAreAFailureButTheRestGoesOn) {
  Gateway gateway([](int request, const std::string&) {
    if (request != 1) return AllTaken();
    return http::ServerResponse{
        .body = R"({"accepted":1,"rejected":1,"results":[{"index":0,"status":"invalid",)"
                R"("error":"transaction_amt is missing"},{"index":1,"status":"accepted"}]})"};
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(Generate({"--count", "6", "--batch", "2", "--to", gateway.url()}), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("1 of 6 events were refused, the first: transaction_amt is missing"));
  EXPECT_EQ(gateway.bodies().size(), 3u);
}

TEST(GenerateHttpTest, SendsAgainOnlyWhatWasNotTakenForNow) {
  Gateway gateway([](int request, const std::string&) {
    if (request != 1) return AllTaken();
    return http::ServerResponse{
        .status = 503,
        .body = R"({"accepted":2,"rejected":1,"results":[{"index":1,"status":"unavailable",)"
                R"("error":"no broker"}]})"};
  });
  EXPECT_EQ(Generate({"--count", "3", "--to", gateway.url()}), 0);
  ASSERT_EQ(gateway.bodies().size(), 2u);
  EXPECT_EQ(gateway.bodies()[1], Lines(gateway.bodies()[0])[1] + "\n");
  EXPECT_NE(gateway.keys()[0], gateway.keys()[1]);
}

}  // namespace
}  // namespace levada::cli
