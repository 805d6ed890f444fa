#include "core/record/record.h"

#include <algorithm>
#include <cstring>

namespace levada {
namespace {

constexpr size_t kKeyBlock = 64 << 10;
constexpr size_t kKeepBuffer = 8 << 20;
constexpr size_t kWorthPassingOn = 2 << 20;

class Values : public BatchOwner {
 public:
  explicit Values(std::vector<std::string> values) : values_(std::move(values)) {}
  void ReadHeaders(const Record&, std::vector<Header>*) const override {}
  const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
};

}  // namespace

Batch Batch::FromValues(std::string_view topic, std::vector<std::string> values,
                        int64_t first_offset, int64_t timestamp_ms) {
  auto owner = std::make_shared<Values>(std::move(values));
  std::vector<Record> records;
  records.reserve(owner->values().size());
  for (const std::string& value : owner->values()) {
    Record record;
    record.value = value;
    record.offset = first_offset++;
    record.timestamp_ms = timestamp_ms;
    records.push_back(record);
  }
  return Batch(topic, std::move(records), std::move(owner));
}

uint64_t Batch::bytes() const {
  uint64_t total = 0;
  for (const Record& record : records_) total += record.key.size() + record.value.size();
  return total;
}

std::string_view OutputBatch::KeepKey(std::string_view key) {
  if (key_used_ + key.size() > key_capacity_) {
    key_capacity_ = std::max(kKeyBlock, key.size());
    key_blocks_.push_back(std::make_unique<char[]>(key_capacity_));
    key_used_ = 0;
  }
  char* at = key_blocks_.back().get() + key_used_;
  std::memcpy(at, key.data(), key.size());
  key_used_ += key.size();
  return {at, key.size()};
}

void OutputBatch::Clear() {
  buffer_.clear();
  if (buffer_.capacity() > kKeepBuffer) buffer_.shrink_to_fit();
  if (key_blocks_.size() > 1) {
    key_blocks_.clear();
    key_capacity_ = 0;
  }
  key_used_ = 0;
  records_.clear();
  dead_letters_.clear();
  filtered = 0;
}

absl::Status OutputBatch::PassOn() {
  const size_t bytes = buffer_.size() + records_.size() * sizeof(OutputRecord) +
                       dead_letters_.size() * sizeof(DeadLetter);
  return receiver_ == nullptr || bytes < kWorthPassingOn ? absl::OkStatus() : receiver_(this);
}

}  // namespace levada
