#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/scan.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// One record as two lines of a bulk request (a delete: one line):
//
//   {"index":{"_index":"transactions","_id":"tx-1","version":5846006549323611,"version_type":"external"}}
//   {"event_id":"tx-1",...}
//
// Id: the field `id`; else the key of a compacted topic; else topic-partition-offset. At most 512
// bytes of UTF-8.
//
// Version: the field `version`, where there is one; else of the topic's own order,
//
//   epoch << 36 | offset      epoch: 27 bits of 10 s since 2024 (to the year 2066)
//                             offset: 36 bits (6.8e10 records a partition and life of the topic)
//
// so that a record that comes twice changes nothing and a topic that was created again wins over
// what it held before. The index keeps the highest version of an id; of two with equal versions,
// the first.
//
// A record without value deletes the document that its key names: in a compacted topic, and where
// the topic's `key` is the field `id`. With a `version` field it cannot be ordered and is refused.
//
// The document is the event's own bytes, but for line breaks (bulk requests are made of lines) and
// for timestamps that OpenSearch would misread: of fields that the topic declares as timestamp,
// numbers in other units than milliseconds and texts that only resemble RFC 3339 are written as
// RFC 3339.
//
// Not thread-safe (the scan's slots are reused).
namespace levada::indexing {

inline constexpr int kOffsetBits = 36;
inline constexpr size_t kMaxIdBytes = 512;

int64_t VersionOf(int64_t epoch, int64_t offset);

struct Document {
  size_t action_bytes = 0;  // of the first line; the rest is the document
  uint64_t id_hash = 0;     // of index and id: equal for the same document
  bool is_delete = false;
};

class DocumentWriter {
 public:
  DocumentWriter(const v1::Topic& topic, const v1::Indexing& indexing);

  // Appends the lines of `record`. False: nothing was appended, `error` says why.
  bool Append(const Record& record, int64_t epoch, std::string* lines, Document* document,
              std::string* error);

 private:
  bool ScanEvent(const Record& record, std::string* error);
  bool FindId(const Record& record, std::string* error);
  bool FindVersion(const Record& record, int64_t epoch, int64_t* version, std::string* error);
  bool FindIndex(const Record& record, std::string* error);
  void AppendEvent(std::string_view event, std::string* lines);

  const v1::Topic& topic_;
  const v1::Indexing& indexing_;
  const bool key_is_id_;
  json::FieldSet fields_;
  int id_slot_ = -1;
  int version_slot_ = -1;
  int time_slot_ = -1;
  std::vector<int> timestamp_slots_;          // fields that are mapped as dates
  std::vector<std::string> timestamp_names_;  // "name": beside each of them

  std::vector<json::Value> slots_;
  json::ScanInfo info_;
  std::string id_;
  std::string index_;
  std::string edited_;
};

}  // namespace levada::indexing
