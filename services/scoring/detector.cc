#include "services/scoring/detector.h"

#include "core/base/strings.h"
#include "core/runtime/latency.h"

namespace levada::scoring {
namespace {

// A batch of one record, whose memory is the caller's.
Batch BatchOf(std::string_view topic, const Record& record) {
  return Batch(topic, {record}, nullptr);
}

}  // namespace

Detector::Detector(std::unique_ptr<Chain> chain, const v1::Topic* from) : chain_(std::move(chain)) {
  if (from == nullptr) return;
  topic_ = from->name();
  if (!from->key().empty()) key_field_ = fields_.Add(from->key());
}

Record Detector::ToRecord(std::string_view event, std::string* key) const {
  Record record;
  record.value = event;
  record.timestamp_ms = runtime::NowMs();
  json::Value values[1];
  json::ScanInfo info;
  // What is wrong with the event is for the chain to say.
  if (fields_.size() == 0 || !json::Scan(event, fields_, values, &info).ok()) return record;
  if (key_field_ >= 0 && values[key_field_].kind > json::Kind::kNull) {
    if (values[key_field_].escaped) {
      json::Unescape(values[key_field_].raw, key);
    } else {
      key->assign(values[key_field_].raw);
    }
    record.key = *key;
    record.has_key = true;
  }
  return record;
}

absl::StatusOr<Detector::Answer> Detector::Detect(std::string event) {
  const auto began = std::chrono::steady_clock::now();
  std::string key;
  Record record = ToRecord(event, &key);
  record.partition =
      chain_->PartitionOf(record.has_key ? std::optional<std::string_view>(key) : std::nullopt);
  if (!chain_->Owns(record.partition)) {
    return absl::UnavailableError(base::StrCat(
        "what is known of this key is with another worker: partition ", record.partition));
  }
  const Batch batch = BatchOf(topic_, record);
  Answer answer;
  std::lock_guard lock(mutex_);
  output_.Clear();
  if (absl::Status status = chain_->Process(batch, &output_); !status.ok()) return status;
  if (!output_.dead_letters().empty()) {
    return absl::InvalidArgumentError(output_.dead_letters().front().error);
  }
  for (const OutputRecord& record : output_.records()) {
    answer.kept = true;
    answer.topics.push_back(chain_->output_topics()[record.topic]);
    if (answer.event.empty()) answer.event = output_.Value(record);
  }
  answer.micros = std::chrono::duration_cast<std::chrono::microseconds>(
                      std::chrono::steady_clock::now() - began)
                      .count();
  return answer;
}

}  // namespace levada::scoring
