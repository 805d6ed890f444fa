// The indexer against a real OpenSearch: `eval "$(./dev shell-env)"` names its address.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "services/indexing/index_template.h"
#include "services/indexing/indexer.h"
#include "services/indexing/testing.h"

namespace levada::indexing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class OpenSearchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* url = std::getenv("LEVADA_OPENSEARCH");
    ASSERT_NE(url, nullptr) << "run ./dev servers up opensearch";
    client_ = *http::Client::Create({.base_url = url});
    name_ = base::StrCat("levada-it-", getpid(), "-",
                         ::testing::UnitTest::GetInstance()->current_test_info()->line());
    (*stage_.pipeline.mutable_spec()->mutable_connections())["search"]
        .mutable_opensearch()
        ->set_url(url);
    stage_.pipeline.mutable_metadata()->set_name(name_);
    stage_.indexing->set_index(name_);
    AddField("id", v1::FIELD_TYPE_STRING);
    AddField("amount", v1::FIELD_TYPE_DOUBLE);
    AddField("at", v1::FIELD_TYPE_TIMESTAMP);
    stage_.indexing->set_id("id");
  }

  void TearDown() override {
    if (client_ == nullptr) return;
    Call("DELETE", "/" + name_ + "*");
    Call("DELETE", "/_index_template/" + TemplateName(stage_.pipeline, *stage_.stage));
  }

  void AddField(const char* name, v1::FieldType type) {
    stage_.topic->add_fields()->set_name(name);
    stage_.topic->mutable_fields()->rbegin()->set_type(type);
  }

  // A worker, as after a start: the partition is at this epoch of the topic.
  void Start(int64_t epoch = 1) {
    context_.emplace(stage_.Context());
    auto made = MakeIndexer(*context_);
    ASSERT_TRUE(made.ok()) << made.status();
    sink_ = *std::move(made);
    std::vector<runtime::Assignment> assigned = {{.partition = 0, .epoch = epoch}};
    ASSERT_TRUE(sink_->Assign(&assigned).ok());
  }

  void Write(std::vector<std::string> events, int64_t first_offset = 0) {
    WriteBatch(Batch::FromValues("tx", std::move(events), first_offset, 1'793'577'600'000));
  }
  void WriteBatch(const Batch& batch) {
    std::vector<DeadLetter> dead;
    ASSERT_TRUE(sink_->Add(batch, &dead).ok());
    ASSERT_TRUE(dead.empty()) << dead[0].error;
    rejected_.clear();
    const absl::Status flushed = sink_->Flush(&rejected_);
    ASSERT_TRUE(flushed.ok()) << flushed;
    Call("POST", "/" + name_ + "*/_refresh");
  }

  json Call(const std::string& method, const std::string& path, const std::string& body = "") {
    const auto response = client_->Send({.method = method, .path = path, .body = body});
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? json::parse(response->body, nullptr, false) : json();
  }
  int Count(const std::string& index) {
    return Call("GET", "/" + index + "/_count").value("count", -1);
  }
  json Get(const std::string& id) { return Call("GET", "/" + name_ + "/_doc/" + id); }

  std::unique_ptr<http::Client> client_;
  std::string name_;
  TestStage stage_;
  std::optional<runtime::StageContext> context_;
  std::unique_ptr<runtime::Sink> sink_;
  std::vector<runtime::Sink::Rejected> rejected_;
};

std::string Event(int id, double amount) {
  return json{{"id", std::to_string(id)}, {"amount", amount}, {"at", "2026-11-02T08:00:00Z"}}
      .dump();
}

TEST_F(OpenSearchTest, RecordsThatComeAgainChangeNothing) {
  Start();
  std::vector<std::string> events;
  for (int i = 0; i < 3000; ++i) events.push_back(Event(i % 2000, i));
  Write(events);
  EXPECT_EQ(Count(name_), 2000);
  Start();
  Write(events);
  EXPECT_EQ(Count(name_), 2000);
  EXPECT_TRUE(rejected_.empty());
  EXPECT_EQ(Get("0")["_source"]["amount"], 2000);  // the later of the two with this id
  EXPECT_EQ(Get("1999")["_source"]["amount"], 1999);
}

TEST_F(OpenSearchTest, AnOlderRecordNeverReplacesANewerOneButANewTopicDoes) {
  Start(/*epoch=*/5);
  Write({Event(1, 10)}, 100);
  Write({Event(1, 9)}, 99);
  EXPECT_EQ(Get("1")["_source"]["amount"], 10);
  Start(/*epoch=*/6);
  Write({Event(1, 11)}, 0);
  EXPECT_EQ(Get("1")["_source"]["amount"], 11);
}

TEST_F(OpenSearchTest, TheSourcesVersionDecidesWhereThereIsOne) {
  stage_.indexing->set_version("amount");
  Start();
  Write({R"({"id":"1","amount":7,"x":"first"})", R"({"id":"1","amount":6,"x":"older"})",
         R"({"id":"1","amount":7,"x":"equal"})"});
  EXPECT_EQ(Get("1")["_source"]["x"], "first");
  Write({R"({"id":"1","amount":8,"x":"newer"})"}, 3);
  EXPECT_EQ(Get("1")["_source"]["x"], "newer");
}

TEST_F(OpenSearchTest, ATableTopicInsertsUpdatesAndDeletes) {
  stage_.topic->set_compacted(true);
  stage_.indexing->clear_id();
  Start();
  const auto record = [](std::string_view key, std::string_view value, int64_t offset) {
    return Record{
        .key = key, .value = value, .offset = offset, .has_key = true, .has_value = !value.empty()};
  };
  const std::vector<Record> changes = {
      record("a", R"({"amount":1})", 0), record("b", R"({"amount":2})", 1),
      record("a", R"({"amount":3})", 2), record("b", "", 3), record("never-there", "", 4)};
  for (int again = 0; again < 2; ++again) {
    WriteBatch(Batch("tx", changes, nullptr));
    EXPECT_EQ(Count(name_), 1);
    EXPECT_EQ(Get("a")["_source"]["amount"], 3);
  }
}

TEST_F(OpenSearchTest, WhatTheMappingRefusesComesBackWithTheServersReason) {
  Start();
  Write(
      {Event(1, 1), R"({"id":"2","amount":"much"})", Event(3, 3), R"({"id":"4","id2":1,"id2":2})"});
  EXPECT_EQ(Count(name_), 2);
  ASSERT_EQ(rejected_.size(), 2u);
  EXPECT_EQ(rejected_[0].record.offset, 1);
  EXPECT_THAT(rejected_[0].error, HasSubstr("failed to parse field [amount] of type [double]"));
  EXPECT_THAT(rejected_[1].error, HasSubstr("Duplicate field 'id2'"));
}

TEST_F(OpenSearchTest, IndexesByDayAreFoundUnderOneName) {
  stage_.topic->set_timestamp("at");
  stage_.indexing->set_by(v1::INDEX_BY_DAY);
  Start();
  Write({R"({"id":"1","at":"2026-11-02T23:59:59.999Z"})", R"({"id":"2","at":1793664000})",
         "{\n \"id\": \"3\",\n \"at\": \"2026-11-03 07:00:00\"\n}"});
  EXPECT_EQ(Count(name_ + "-2026.11.02"), 1);
  EXPECT_EQ(Count(name_ + "-2026.11.03"), 2);
  EXPECT_EQ(Count(name_), 3);
  const json found = Call("POST", "/" + name_ + "/_search", R"({"query":{"range":{"at":{
      "gte":"2026-11-03T00:00:00Z","lte":"2026-11-03T00:00:00Z"}}}})");
  ASSERT_EQ(found["hits"]["total"]["value"], 1) << found;
  EXPECT_EQ(found["hits"]["hits"][0]["_source"]["id"], "2");
}

TEST_F(OpenSearchTest, FieldsAreMappedFromTheSchemaAndNewOnesReachIndexesThatExist) {
  Start();
  Write({R"({"id":"1","amount":1,"note":"Card was lost in Rome","n":1})"});
  AddField("note2", v1::FIELD_TYPE_STRING);
  Start();
  Write({R"({"id":"2","amount":1,"note2":"2026-11-02","n":1.5})"}, 1);
  const json properties = Call("GET", "/" + name_ + "/_mapping")[name_]["mappings"]["properties"];
  EXPECT_EQ(properties["id"]["type"], "keyword");
  EXPECT_EQ(properties["amount"]["type"], "double");
  EXPECT_EQ(properties["at"]["type"], "date");
  EXPECT_EQ(properties["note2"]["type"], "keyword");
  EXPECT_EQ(properties["n"]["type"], "double");
  const json found = Call("GET", "/" + name_ + "/_search?q=note.text:rome");
  EXPECT_EQ(found["hits"]["total"]["value"], 1) << found;
  // A type cannot change where it is in use: documents go on as before.
  stage_.topic->mutable_fields(1)->set_type(v1::FIELD_TYPE_LONG);
  Start();
  Write({R"({"id":"3","amount":2.5})"}, 2);
  EXPECT_EQ(Count(name_), 3);
}

TEST_F(OpenSearchTest, AReadOnlyIndexMakesTheStageWaitAndThenNothingIsMissing) {
  Start();
  Write({Event(1, 1)});
  Call("PUT", "/" + name_ + "/_settings", R"({"index.blocks.write":true})");
  std::vector<DeadLetter> dead;
  ASSERT_TRUE(sink_->Add(Batch::FromValues("tx", {Event(2, 2)}, 1), &dead).ok());
  const absl::Status blocked = sink_->Flush(&rejected_);
  EXPECT_EQ(blocked.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(blocked.message()), HasSubstr("cluster_block_exception"));
  Call("PUT", "/" + name_ + "/_settings", R"({"index.blocks.write":false})");
  EXPECT_TRUE(sink_->Flush(&rejected_).ok());
  Call("POST", "/" + name_ + "/_refresh");
  EXPECT_EQ(Count(name_), 2);
  EXPECT_TRUE(rejected_.empty());
}

TEST_F(OpenSearchTest, LogsInOverTlsAndSaysWhenItIsNotLetIn) {
  const char* url = std::getenv("LEVADA_OPENSEARCH_SECURE");
  ASSERT_NE(url, nullptr) << "run ./dev servers up opensearch";
  auto& search =
      *(*stage_.pipeline.mutable_spec()->mutable_connections())["search"].mutable_opensearch();
  search.set_url(url);
  search.mutable_tls()->set_ca_file(std::getenv("LEVADA_OPENSEARCH_CA"));
  search.set_secret_ref("login");
  setenv("LEVADA_SECRET_LOGIN_USERNAME", std::getenv("LEVADA_OPENSEARCH_USER"), 1);
  setenv("LEVADA_SECRET_LOGIN_PASSWORD", "wrong", 1);
  Start();
  std::vector<DeadLetter> dead;
  ASSERT_TRUE(sink_->Add(Batch::FromValues("tx", {Event(1, 1)}), &dead).ok());
  const absl::Status refused = sink_->Flush(&rejected_);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the log-in is refused"));
  // A secret that is put right is taken without a restart.
  setenv("LEVADA_SECRET_LOGIN_PASSWORD", std::getenv("LEVADA_OPENSEARCH_PASSWORD"), 1);
  const absl::Status flushed = sink_->Flush(&rejected_);
  EXPECT_TRUE(flushed.ok()) << flushed;
  Call("POST", "/" + name_ + "/_refresh");
  EXPECT_EQ(Count(name_), 1);
}

}  // namespace
}  // namespace levada::indexing
