#include "services/scoring/detector.h"

#include "core/base/strings.h"
#include "core/runtime/latency.h"

namespace levada::scoring {
namespace {

// A batch of one record, whose memory is the caller's.
Batch BatchOf(std::string_view topic, const Record& record) {
  return Batch(topic, {record}, nullptr);
}

absl::Status AskAgain(std::string_view why) {
  return absl::UnavailableError(base::StrCat(why, ". Ask again in a few seconds"));
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

void Detector::Detect(std::string event, bool forwarded, Done done) {
  std::string key;
  Record record = ToRecord(event, &key);
  const auto partition =
      chain_->PartitionOf(record.has_key ? std::optional<std::string_view>(key) : std::nullopt);
  if (!partition.ok()) return done(AskAgain(base::View(partition.status().message())));
  record.partition = *partition;
  absl::StatusOr<std::optional<Answer>> answer = Score(record);
  if (!answer.ok()) return done(answer.status());
  if (*answer) return done(**std::move(answer));
  if (forwarded || forwarder_ == nullptr) {
    return done(AskAgain(base::StrCat("this worker does not have, or has not read, what is known ",
                                      "of partition ", record.partition)));
  }
  forwarder_->Detect(record.partition, std::move(event), std::move(done));
}

absl::StatusOr<std::optional<Answer>> Detector::Score(const Record& record) {
  if (!chain_->Owns(record.partition)) return std::nullopt;
  if (!chain_->HasTables()) return AskAgain("this worker reads its tables");
  const auto began = std::chrono::steady_clock::now();
  const Batch batch = BatchOf(topic_, record);
  Answer answer;
  std::lock_guard lock(mutex_);
  output_.Clear();
  if (absl::Status status = chain_->Process(batch, &output_); !status.ok()) {
    // The partition may have gone meanwhile.
    if (!chain_->Owns(record.partition)) return std::nullopt;
    return status;
  }
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
