#include "services/indexing/indexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "services/indexing/testing.h"

namespace levada::indexing {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Plays OpenSearch: keeps what it was sent, answers what the test says.
struct FakeServer {
  using Answer = std::function<absl::StatusOr<http::Response>(const http::Request&)>;

  class FakeClient : public http::Client {
   public:
    explicit FakeClient(FakeServer* server) : server_(server) {}
    absl::StatusOr<http::Response> Send(const http::Request& request) override {
      return server_->Handle(request);
    }

   private:
    FakeServer* server_;
  };

  std::unique_ptr<OpenSearch> Connect() {
    return std::make_unique<OpenSearch>([this]() -> absl::StatusOr<std::unique_ptr<http::Client>> {
      ++connects;
      return std::make_unique<FakeClient>(this);
    });
  }

  absl::StatusOr<http::Response> Handle(const http::Request& request) {
    if (request.method == "PUT") {
      puts.push_back(request.path);
      return put(request);
    }
    std::vector<std::string> ids;
    for (size_t at = 0; at < request.body.size(); at = request.body.find('\n', at) + 1) {
      const json line = json::parse(request.body.substr(at, request.body.find('\n', at) - at));
      if (line.contains("index")) ids.push_back(line["index"]["_id"]);
      if (line.contains("delete")) ids.push_back("-" + line["delete"]["_id"].get<std::string>());
    }
    bulks.push_back(ids);
    return bulk(request);
  }

  // An answer with these statuses, one an item; above 299 with a reason.
  static http::Response Statuses(const std::vector<int>& statuses) {
    json items = json::array();
    bool errors = false;
    for (const int status : statuses) {
      json result = {{"status", status}};
      if (status > 299) result["error"] = {{"type", "some_exception"}, {"reason", "because"}};
      errors |= status > 299;
      items.push_back({{"index", result}});
    }
    return {.status = 200, .body = json{{"errors", errors}, {"items", items}}.dump()};
  }
  static http::Response Fine(const http::Request&) {
    return {.status = 200, .body = R"({"errors":false})"};
  }

  Answer put = Fine;
  Answer bulk = Fine;
  std::vector<std::string> puts;
  std::vector<std::vector<std::string>> bulks;
  int connects = 0;
};

class IndexerTest : public ::testing::Test {
 protected:
  IndexerTest() { stage_.indexing->set_id("id"); }

  Indexer& Make() {
    indexer_ = std::make_unique<Indexer>(context_, *stage_.topic, server_.Connect());
    return *indexer_;
  }

  // Adds events with these ids.
  void Add(const std::vector<std::string>& ids) {
    std::vector<std::string> events;
    for (const std::string& id : ids) events.push_back("{\"id\":\"" + id + "\"}");
    AddEvents(std::move(events));
  }
  void AddEvents(std::vector<std::string> events) {
    const auto count = static_cast<int64_t>(events.size());
    dead_.clear();
    ASSERT_TRUE(indexer_->Add(Batch::FromValues("tx", std::move(events), offset_), &dead_).ok());
    offset_ += count;
  }
  absl::Status Flush() {
    rejected_.clear();
    return indexer_->Flush(&rejected_);
  }

  TestStage stage_;
  runtime::StageContext context_ = stage_.Context();
  FakeServer server_;
  std::unique_ptr<Indexer> indexer_;
  std::vector<DeadLetter> dead_;
  std::vector<runtime::Sink::Rejected> rejected_;
  int64_t offset_ = 0;
};

TEST_F(IndexerTest, SendsWhatWasAddedInOneRequestBehindTheTemplate) {
  Make();
  EXPECT_EQ(indexer_->FlushAt(), std::chrono::steady_clock::time_point::max());
  Add({"a", "b"});
  Add({"c"});
  EXPECT_LE(indexer_->FlushAt(), std::chrono::steady_clock::now() + std::chrono::seconds(1));
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.puts, ElementsAre("/_index_template/levada-test-search",
                                        "/transactions/_mapping?ignore_unavailable=true"));
  EXPECT_THAT(server_.bulks, ElementsAre(ElementsAre("a", "b", "c")));
  EXPECT_EQ(indexer_->FlushAt(), std::chrono::steady_clock::time_point::max());
  Add({"d"});
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(server_.puts.size(), 2u);
  EXPECT_THAT(server_.bulks.back(), ElementsAre("d"));
}

TEST_F(IndexerTest, IsFullByCountAndByBytes) {
  stage_.indexing->mutable_bulk()->set_count(3);
  Make();
  Add({"a", "b"});
  EXPECT_FALSE(indexer_->Full());
  Add({"c"});
  EXPECT_TRUE(indexer_->Full());
  stage_.indexing->mutable_bulk()->set_size("300");
  Make();
  Add({"a"});
  EXPECT_FALSE(indexer_->Full());
  AddEvents({"{\"id\":\"" + std::string(300, 'x') + "\"}"});
  EXPECT_TRUE(indexer_->Full());
}

TEST_F(IndexerTest, RequestsStayWithinTheLimits) {
  stage_.indexing->mutable_bulk()->set_count(2);
  Make();
  Add({"a", "b", "c", "d", "e"});
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks,
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d"), ElementsAre("e")));
  stage_.indexing->mutable_bulk()->set_size("150");  // one of these documents has about 110 bytes
  Make();
  server_.bulks.clear();
  Add({"a", "b"});
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks, ElementsAre(ElementsAre("a"), ElementsAre("b")));
}

TEST_F(IndexerTest, BrokenEventsAreDeadAndTheOthersGoOn) {
  Make();
  AddEvents({R"({"id":"a"})", "{oops", R"({"no":"id"})", R"({"id":"b"})"});
  ASSERT_EQ(dead_.size(), 2u);
  EXPECT_EQ(dead_[0].source, 1);
  EXPECT_EQ(dead_[1].source, 2);
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks, ElementsAre(ElementsAre("a", "b")));
}

// OpenSearch answered 429 to a record of 50 MB each time, and its partition stood still.
TEST_F(IndexerTest, ADocumentThatIsTooLargeForAnyRequestIsDead) {
  Make();
  AddEvents({R"({"id":"a"})", R"({"id":"b","x":")" + std::string(17 << 20, 'x') + R"("})",
             R"({"id":"c"})"});
  ASSERT_EQ(dead_.size(), 1u);
  EXPECT_EQ(dead_[0].source, 1);
  EXPECT_THAT(dead_[0].error, HasSubstr("at most 16777216"));
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks, ElementsAre(ElementsAre("a", "c")));
}

TEST_F(IndexerTest, ABatchOfOnlyBrokenEventsIsFlushedTooSoThatItsOffsetsAreCommitted) {
  Make();
  AddEvents({"{oops"});
  EXPECT_LT(indexer_->FlushAt(), std::chrono::steady_clock::time_point::max());
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks, IsEmpty());
}

TEST_F(IndexerTest, OnlyWhatCanBeRepeatedIsSentAgain) {
  Make();
  Add({"ok", "busy", "bad", "old", "down"});
  server_.bulk = [](const http::Request&) {
    return FakeServer::Statuses({201, 429, 400, 409, 503});
  };
  const absl::Status status = Flush();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("some_exception: because"));
  server_.bulk = FakeServer::Fine;
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks.back(), ElementsAre("busy", "down"));
  // What was refused in the first round is handed back in the one that ends well.
  ASSERT_EQ(rejected_.size(), 1u);
  EXPECT_EQ(rejected_[0].record.value, R"({"id":"bad"})");
  EXPECT_EQ(rejected_[0].record.offset, 2);
  EXPECT_EQ(rejected_[0].error, "OpenSearch refused it: some_exception: because");
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(server_.bulks.size(), 2u);
}

TEST_F(IndexerTest, WhatFollowsAWaitingDocumentOfTheSameIdIsSentBehindItAgain) {
  Make();
  Add({"a", "b", "a", "b"});
  server_.bulk = [](const http::Request&) { return FakeServer::Statuses({429, 201, 201, 201}); };
  EXPECT_FALSE(Flush().ok());
  server_.bulk = FakeServer::Fine;
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks.back(), ElementsAre("a", "a"));
}

TEST_F(IndexerTest, AServerThatIsAwayLeavesEverythingAsItWas) {
  Make();
  Add({"a"});
  server_.put = [](const http::Request&) { return absl::UnavailableError("127.0.0.1:1: refused"); };
  EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable);
  server_.put = FakeServer::Fine;
  server_.bulk = [](const http::Request&) { return absl::UnavailableError("127.0.0.1:1: reset"); };
  EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable);
  Add({"b"});
  for (const int status : {500, 502, 503, 429, 404}) {
    server_.bulk = [&](const http::Request&) { return http::Response{.status = status}; };
    EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable) << status;
  }
  server_.bulk = [](const http::Request&) {
    return http::Response{.status = 200, .body = "{\"er"};
  };
  EXPECT_EQ(Flush().code(), absl::StatusCode::kUnavailable);
  server_.bulk = FakeServer::Fine;
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks.back(), ElementsAre("a", "b"));
}

TEST_F(IndexerTest, ARefusedLogInIsSaidAndTheSecretIsReadAgain) {
  Make();
  Add({"a"});
  server_.put = [](const http::Request&) {
    return http::Response{.status = 401, .body = "Unauthorized"};
  };
  const absl::Status status = Flush();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("log-in is refused"));
  server_.put = FakeServer::Fine;
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(server_.connects, 2);
}

TEST_F(IndexerTest, ARequestThatIsTooLargeIsHalvedUntilOneDocumentIsToBlame) {
  Make();
  Add({"a", "b", "huge", "c"});
  server_.bulk = [](const http::Request& request) {
    const bool too_large = request.body.find("huge") != std::string_view::npos;
    return too_large ? http::Response{.status = 413, .body = "Too Large"}
                     : FakeServer::Fine(request);
  };
  EXPECT_TRUE(Flush().ok());
  ASSERT_EQ(rejected_.size(), 1u);
  EXPECT_EQ(rejected_[0].record.value, R"({"id":"huge"})");
  std::vector<std::string> taken;
  for (const auto& ids : server_.bulks) {
    if (std::find(ids.begin(), ids.end(), "huge") == ids.end()) {
      taken.insert(taken.end(), ids.begin(), ids.end());
    }
  }
  EXPECT_THAT(taken, ElementsAre("a", "b", "c"));
}

TEST_F(IndexerTest, DiscardForgetsWhatWasNotFlushed) {
  Make();
  Add({"a"});
  indexer_->Discard();
  EXPECT_EQ(indexer_->FlushAt(), std::chrono::steady_clock::time_point::max());
  EXPECT_TRUE(Flush().ok());
  EXPECT_THAT(server_.bulks, IsEmpty());
}

TEST_F(IndexerTest, VersionsCarryTheEpochOfTheAssignment) {
  Make();
  std::vector<runtime::Assignment> assigned = {{.partition = 0, .epoch = 7}};
  ASSERT_TRUE(indexer_->Assign(&assigned).ok());
  std::string body;
  server_.bulk = [&](const http::Request& request) {
    body = request.body;
    return FakeServer::Fine(request);
  };
  offset_ = 41;
  Add({"a"});
  ASSERT_TRUE(Flush().ok());
  EXPECT_THAT(body, HasSubstr("\"version\":" + std::to_string(VersionOf(7, 41)) + ","));
}

TEST_F(IndexerTest, PipeWritesTheLinesOfTheRequest) {
  Make();
  std::string out;
  std::vector<DeadLetter> dead;
  const Batch batch = Batch::FromValues("stdin", {R"({"id":"a"})", "no"});
  ASSERT_TRUE(indexer_->Pipe(batch, &out, &dead).ok());
  EXPECT_EQ(out,
            R"({"index":{"_index":"transactions","_id":"a","version":0,"version_type":"external"}})"
            "\n{\"id\":\"a\"}\n");
  EXPECT_EQ(dead.size(), 1u);
  EXPECT_EQ(server_.connects, 0);
}

}  // namespace
}  // namespace levada::indexing
