#include "services/indexing/bulk_response.h"

#include <gtest/gtest.h>

namespace levada::indexing {
namespace {

ItemOutcome OutcomeOf(const std::string& item) {
  const auto items = ParseBulkResponse("{\"errors\":true,\"items\":[" + item + "]}", 1);
  EXPECT_TRUE(items.ok()) << items.status() << item;
  return items.ok() ? items->at(0).outcome : ItemOutcome::kWritten;
}

TEST(BulkResponseTest, WithoutErrorsNothingIsListed) {
  for (const char* body : {R"({"errors":false,"items":[{"index":{"status":201}}]})",
                           R"({"took":3,"errors":false,"items":[]})", R"({"errors":false})"}) {
    const auto items = ParseBulkResponse(body, 1);
    ASSERT_TRUE(items.ok()) << items.status();
    EXPECT_TRUE(items->empty());
  }
}

TEST(BulkResponseTest, EachItemHasItsOutcome) {
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":201}})"), ItemOutcome::kWritten);
  EXPECT_EQ(OutcomeOf(R"({"delete":{"status":404}})"), ItemOutcome::kWritten);
  EXPECT_EQ(
      OutcomeOf(R"({"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}})"),
      ItemOutcome::kStale);
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":429,"error":{"type":"circuit_breaking_exception"}}})"),
            ItemOutcome::kRetry);
  EXPECT_EQ(
      OutcomeOf(R"({"index":{"status":503,"error":{"type":"unavailable_shards_exception"}}})"),
      ItemOutcome::kRetry);
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":500}})"), ItemOutcome::kRetry);
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":403,"error":{"type":"cluster_block_exception"}}})"),
            ItemOutcome::kRetry);
  EXPECT_EQ(OutcomeOf(R"({"delete":{"status":404,"error":{"type":"index_not_found_exception"}}})"),
            ItemOutcome::kRetry);
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":400,"error":{"type":"mapper_parsing_exception"}}})"),
            ItemOutcome::kRefused);
  EXPECT_EQ(OutcomeOf(R"({"index":{"status":404}})"), ItemOutcome::kRefused);
}

TEST(BulkResponseTest, ARefusalHasTheServersReason) {
  const auto items = ParseBulkResponse(
      R"({"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":{
          "type":"mapper_parsing_exception","reason":"failed to parse field [a]",
          "caused_by":{"reason":"For input\nstring"}}}}]})",
      2);
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ(items->at(0).outcome, ItemOutcome::kWritten);
  EXPECT_EQ(items->at(1).reason,
            "mapper_parsing_exception: failed to parse field [a] (For input string)");
}

TEST(BulkResponseTest, WhatCannotBeUnderstoodIsUnavailable) {
  for (const char* body :
       {"", "<html>Bad Gateway</html>", "{}", "[]", "null", R"({"errors":"no"})",
        R"({"errors":true})", R"({"errors":true,"items":[]})", R"({"errors":true,"items":{}})",
        R"({"errors":true,"items":[{"index":{"status":"201"}}]})",
        R"({"errors":true,"items":[{"index":7}]})", R"({"errors":true,"items":[{}]})",
        R"({"errors":true,"items":[{"index":{"status":201}},{"index":{"status":201}}]})",
        R"({"errors":false,"items":[{"index")",
        R"({"errors":true,"items":[{"index":{"status":4)"}) {
    EXPECT_EQ(ParseBulkResponse(body, 1).status().code(), absl::StatusCode::kUnavailable) << body;
  }
}

TEST(BulkResponseTest, ErrorsOfOtherAnswersAreOneLine) {
  EXPECT_EQ(ErrorReason(R"({"error":{"type":"t","reason":"r"},"status":400})"), "t: r");
  EXPECT_EQ(ErrorReason(R"({"error":"no handler"})"), "no handler");
  EXPECT_EQ(ErrorReason("Unauthorized\n"), "Unauthorized ");
  EXPECT_EQ(ErrorReason("\xff\xfe"), "(not text)");
  EXPECT_LT(ErrorReason(std::string(10'000, 'x')).size(), 600u);
}

}  // namespace
}  // namespace levada::indexing
