#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Records in batches: what a stage is handed, and what it hands back.
//
// A Batch views memory that its owner (Kafka's fetch buffers, or lines read from a file) keeps
// alive; nothing is copied. An OutputBatch collects what a stage makes of it: records to send on
// and dead letters. Both are reused from batch to batch and neither is thread-safe.
namespace levada {

struct Header {
  std::string_view name;
  std::string_view value;
};

struct Record {
  std::string_view key;
  std::string_view value;
  int64_t timestamp_ms = 0;  // Kafka's record timestamp
  int64_t offset = 0;
  int32_t partition = 0;
  bool has_key = false;
  bool has_value = true;         // false: a tombstone
  const void* native = nullptr;  // for the owner
};

// Keeps a batch's memory, and reads what is rarely wanted.
class BatchOwner {
 public:
  virtual ~BatchOwner() = default;
  // Appends the headers of a record of this batch, in order.
  virtual void ReadHeaders(const Record& record, std::vector<Header>* headers) const = 0;
};

class Batch {
 public:
  Batch() = default;
  Batch(std::string_view topic, std::vector<Record> records, std::shared_ptr<BatchOwner> owner)
      : topic_(topic), records_(std::move(records)), owner_(std::move(owner)) {}

  // A batch over lines of text, as `levada pipe` and tests have it: offsets count from
  // `first_offset`, keys are absent.
  static Batch FromValues(std::string_view topic, std::vector<std::string> values,
                          int64_t first_offset = 0, int64_t timestamp_ms = 0);

  std::string_view topic() const { return topic_; }  // outlives the batch
  const std::vector<Record>& records() const { return records_; }
  size_t size() const { return records_.size(); }
  bool empty() const { return records_.empty(); }
  const Record& operator[](size_t i) const { return records_[i]; }
  void ReadHeaders(const Record& record, std::vector<Header>* headers) const {
    if (owner_) owner_->ReadHeaders(record, headers);
  }
  // Leaves out the records of a partition.
  void Drop(int32_t partition) {
    DropIf([&](const Record& record) { return record.partition == partition; });
  }
  template <typename Condition>
  void DropIf(Condition&& condition) {
    std::erase_if(records_, condition);
  }
  uint64_t bytes() const;  // keys and values

 private:
  std::string_view topic_;
  std::vector<Record> records_;
  std::shared_ptr<BatchOwner> owner_;
};

// A record that cannot be processed. `source` is its index in the batch.
struct DeadLetter {
  int32_t source = 0;  // -1: none, where it came of no record of the batch
  std::string error;   // one sentence: what, where, what was expected
  // What is kept in place of the source's value: an event that a step made (the result of a
  // window).
  std::string event = {};
};

// A record to send on. Its value is either in the output's own buffer or the input's bytes.
struct OutputRecord {
  static constexpr uint32_t kBorrowed = UINT32_MAX;
  static constexpr int32_t kEveryPartition = -2;

  std::string_view key;       // in the input batch's memory or the output's arena
  std::string_view borrowed;  // the value, where begin == kBorrowed
  std::string_view origin;    // of the header kSourceHeader, which is not taken over; empty: none
  uint32_t begin = 0;         // the value, in buffer()
  uint32_t size = 0;
  int64_t timestamp_ms = 0;
  int32_t source = -1;     // index of the record that it came from, whose headers go along
  int32_t partition = -1;  // -1: by the key; or kEveryPartition
  int16_t topic = 0;       // index into the stage's list of output topics
  bool has_key = false;
  bool has_value = true;
};

class OutputBatch {
 public:
  // Values are appended here; no more than 4 GiB a batch.
  std::string& buffer() { return buffer_; }
  std::vector<OutputRecord>& records() { return records_; }
  const std::vector<OutputRecord>& records() const { return records_; }
  std::vector<DeadLetter>& dead_letters() { return dead_letters_; }
  const std::vector<DeadLetter>& dead_letters() const { return dead_letters_; }

  // The bytes of a record's value; valid until the buffer grows.
  std::string_view Value(const OutputRecord& record) const {
    if (record.begin == OutputRecord::kBorrowed) return record.borrowed;
    return std::string_view(buffer_).substr(record.begin, record.size);
  }
  // Copies a key that is not in the input's memory; valid until Clear.
  std::string_view KeepKey(std::string_view key);

  uint32_t filtered = 0;  // records dropped on purpose

  // Forgets the content, keeps the memory (no more than a few MiB of it).
  void Clear();

  // Takes what there is before all of it is there, and clears it; not OK: it is not to go on.
  using Receiver = std::function<absl::Status(OutputBatch*)>;
  void set_receiver(Receiver receiver) { receiver_ = std::move(receiver); }
  // For who may append without end, between two records: gives what is there to the receiver, if
  // there is one and it is worth it.
  absl::Status PassOn();

 private:
  std::string buffer_;
  std::vector<std::unique_ptr<char[]>> key_blocks_;
  size_t key_used_ = 0;
  size_t key_capacity_ = 0;
  std::vector<OutputRecord> records_;
  std::vector<DeadLetter> dead_letters_;
  Receiver receiver_;
};

}  // namespace levada
