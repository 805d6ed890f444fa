#include "services/indexing/document.h"

#include <gtest/gtest.h>

namespace levada::indexing {
namespace {

class DocumentTest : public ::testing::Test {
 protected:
  DocumentTest() {
    topic_.set_name("tx");
    indexing_.set_index("transactions");
  }

  // The lines of a record, or "error: …".
  std::string Lines(const Record& record, int64_t epoch = 1) {
    DocumentWriter writer(topic_, indexing_);
    std::string lines, error;
    if (!writer.Append(record, epoch, &lines, &document_, &error)) return "error: " + error;
    return lines;
  }
  static Record Event(std::string_view value, int64_t offset = 5) {
    return {.value = value, .timestamp_ms = 1'793'577'600'000, .offset = offset, .partition = 2};
  }
  static Record Keyed(std::string_view key, std::string_view value) {
    Record record = Event(value);
    record.key = key;
    record.has_key = true;
    return record;
  }
  static Record Tombstone(std::string_view key) {
    Record record = Keyed(key, "");
    record.has_value = false;
    return record;
  }

  v1::Topic topic_;
  v1::Indexing indexing_;
  Document document_;
};

TEST_F(DocumentTest, AppendOnlyDataIsKnownByItsPosition) {
  EXPECT_EQ(Lines(Event(R"({"a":1})")),
            R"({"index":{"_index":"transactions","_id":"tx-2-5","version":68719476741,)"
            R"("version_type":"external"}})"
            "\n{\"a\":1}\n");
  EXPECT_EQ(document_.action_bytes, Lines(Event("{}")).size() - 3);
}

TEST_F(DocumentTest, VersionsGrowWithTheOffsetAndStillMoreWithTheEpoch) {
  EXPECT_LT(VersionOf(3, 10), VersionOf(3, 11));
  EXPECT_LT(VersionOf(3, (int64_t{1} << kOffsetBits) - 1), VersionOf(4, 0));
  EXPECT_GT(VersionOf((1 << 27) - 1, 0), 0);
}

TEST_F(DocumentTest, ACompactedTopicIsKnownByItsKey) {
  topic_.set_compacted(true);
  EXPECT_TRUE(
      Lines(Keyed("c\"1", "{}")).starts_with(R"({"index":{"_index":"transactions","_id":"c\"1",)"));
  EXPECT_EQ(Lines(Tombstone("c1"), 0),
            R"({"delete":{"_index":"transactions","_id":"c1","version":5,)"
            R"("version_type":"external"}})"
            "\n");
  EXPECT_TRUE(document_.is_delete);
  EXPECT_EQ(Lines(Event("{}")), "error: the record has no key, which is the document's id");
  EXPECT_EQ(Lines(Keyed("\xff", "{}")),
            "error: the record's key, which is the document's id, is not UTF-8");
}

TEST_F(DocumentTest, TheIdFieldIsTextOrANumber) {
  indexing_.set_id("id");
  const auto id_of = [&](std::string_view event) {
    const std::string lines = Lines(Event(event));
    const size_t at = lines.find("\"_id\":");
    return at == std::string::npos ? lines
                                   : lines.substr(at + 6, lines.find(",\"version\"") - at - 6);
  };
  EXPECT_EQ(id_of(R"({"id":"a\u0062c"})"), R"("abc")");
  EXPECT_EQ(id_of(R"({"id":17})"), R"("17")");
  EXPECT_EQ(id_of(R"({"ID":17})"), "error: the event has no field `id`, its document's id");
  EXPECT_EQ(id_of(R"({"id":null})"), "error: the event has no field `id`, its document's id");
  EXPECT_EQ(id_of(R"({"id":[1]})"),
            "error: field `id` is neither text nor a number and cannot be a document's id");
  EXPECT_EQ(id_of(R"({"id":""})"), "error: the document's id is empty");
  EXPECT_EQ(id_of("{\"id\":\"" + std::string(513, 'x') + "\"}"),
            "error: the document's id has 513 bytes; OpenSearch takes 512");
  EXPECT_EQ(id_of("{\"id\":\"" + std::string(512, 'x') + "\"}"),
            "\"" + std::string(512, 'x') + "\"");
}

TEST_F(DocumentTest, ADeleteNeedsAKeyThatIsTheId) {
  EXPECT_TRUE(Lines(Tombstone("k")).starts_with("error: a record without value deletes nothing"));
  indexing_.set_id("id");
  EXPECT_TRUE(Lines(Tombstone("k")).starts_with("error: a record without value deletes nothing"));
  topic_.set_key("id");
  EXPECT_TRUE(Lines(Tombstone("k")).starts_with(R"({"delete":{"_index":"transactions","_id":"k")"));
  indexing_.set_version("v");
  EXPECT_TRUE(Lines(Tombstone("k")).starts_with("error: a record without value has no field `v`"));
}

TEST_F(DocumentTest, AVersionOfTheSourceIsAWholeNumber) {
  indexing_.set_version("v");
  EXPECT_NE(Lines(Event(R"({"v":9223372036854775807})"))
                .find(R"("version":9223372036854775807,"version_type":"external")"),
            std::string::npos);
  for (const std::string_view event :
       {R"({"v":-1})", R"({"v":1.5})", R"({"v":"1"})", R"({"v":9223372036854775808})", "{}"}) {
    EXPECT_EQ(Lines(Event(event)),
              "error: field `v`, the document's version, is not a whole number from 0 to 2^63-1")
        << event;
  }
}

TEST_F(DocumentTest, TheIndexIsChosenByTheTimeOfTheEvent) {
  const auto index_of = [&](std::string_view event) {
    const std::string lines = Lines(Event(event));
    return lines.starts_with("error") ? lines : lines.substr(20, lines.find("\",\"_id") - 20);
  };
  indexing_.set_by(v1::INDEX_BY_DAY);
  EXPECT_EQ(index_of(R"({"t":"2020-01-31"})"), "transactions-2026.11.02");  // the record's own
  Record nanoseconds = Event("{}");
  nanoseconds.timestamp_ms *= 1'000'000;
  EXPECT_TRUE(Lines(nanoseconds).starts_with(R"({"index":{"_index":"transactions-9999.12.31")"))
      << Lines(nanoseconds);
  topic_.set_timestamp("t");
  EXPECT_EQ(index_of(R"({"t":"2020-01-31T23:30:00-01:00"})"), "transactions-2020.02.01");
  EXPECT_EQ(index_of(R"({"t":1580515199})"), "transactions-2020.01.31");
  EXPECT_EQ(index_of(R"({"t":1580515200000})"), "transactions-2020.02.01");
  EXPECT_EQ(index_of("{}"), "transactions-2026.11.02");
  EXPECT_TRUE(index_of(R"({"t":"soon"})").starts_with("error: field `t`: "))
      << index_of("{\"t\":\"soon\"}");
  EXPECT_EQ(index_of(R"({"t":true})"), "error: field `t`: is neither text nor a number");
  indexing_.set_by(v1::INDEX_BY_MONTH);
  EXPECT_EQ(index_of(R"({"t":"0001-02-03"})"), "transactions-0001.02");
}

TEST_F(DocumentTest, TheEventsBytesStayExceptForLineBreaksBetweenTokens) {
  const auto event_of = [&](std::string_view event) {
    const std::string lines = Lines(Event(event));
    return lines.substr(lines.find('\n') + 1);
  };
  EXPECT_EQ(event_of("{ \"a\" : 1.50,\t\"b\":\"\\n\" }"), "{ \"a\" : 1.50,\t\"b\":\"\\n\" }\n");
  EXPECT_EQ(event_of("\n{\r\n  \"a\": 1\n}\n"), " {    \"a\": 1 } \n");
}

TEST_F(DocumentTest, DeclaredTimesAreWrittenAsTheIndexReadsThem) {
  topic_.set_timestamp("t");
  v1::Field* field = topic_.add_fields();
  field->set_name("u");
  field->set_type(v1::FIELD_TYPE_TIMESTAMP);
  const auto event_of = [&](std::string_view event) {
    const std::string lines = Lines(Event(event));
    return lines.substr(lines.find('\n') + 1);
  };
  for (const std::string_view same :
       {R"({"t":"2024-03-01T12:34:56.789+01:00","u":"2024-03-01"})",
        R"({"t":1709292896789,"u":"2024-03-01T12:34Z","v":1709292896})",
        R"({"t":null,"u":[1709292896]})", R"({"t":"noon"})"}) {
    EXPECT_EQ(event_of(same), std::string(same) + "\n");
  }
  EXPECT_EQ(event_of(R"({"t":1709292896,"u":1709292896789000})"),
            "{\"t\":\"2024-03-01T11:34:56Z\",\"u\":\"2024-03-01T11:34:56.789Z\"}\n");
  EXPECT_EQ(event_of(R"({"a":1,"t":"2024-03-01 12:34:56"})"),
            "{\"a\":1,\"t\":\"2024-03-01T12:34:56Z\"}\n");
}

TEST_F(DocumentTest, WhatIsNotAnEventIsRefusedWithItsPlace) {
  for (const std::string_view event :
       {"", "[]", "{\"a\":", "{\"a\":\"\xff\"}", "{}{}", "nonsense"}) {
    EXPECT_TRUE(Lines(Event(event)).starts_with("error: ")) << event;
  }
  indexing_.set_id("id");
  EXPECT_TRUE(Lines(Event(R"({"id":1,"id":2})")).starts_with("error: "));
}

TEST_F(DocumentTest, TheHashIsThatOfIndexAndId) {
  indexing_.set_id("id");
  Lines(Event(R"({"id":"a"})", 1));
  const uint64_t first = document_.id_hash;
  Lines(Event(R"({"id":"a","x":1})", 2));
  EXPECT_EQ(document_.id_hash, first);
  Lines(Event(R"({"id":"b"})", 3));
  EXPECT_NE(document_.id_hash, first);
}

}  // namespace
}  // namespace levada::indexing
