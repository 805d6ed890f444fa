#include "services/ingest/file_log.h"

#include <utility>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/kafka/snapshot.h"
#include "core/pipeline/plan.h"
#include "core/record/headers.h"
#include "core/runtime/record_limits.h"

namespace levada::ingest {
namespace {

constexpr std::chrono::seconds kInitTimeout{30};
constexpr std::chrono::seconds kLoadTimeout{30};
constexpr int kCommitAttempts = 4;

}  // namespace

absl::StatusOr<std::unique_ptr<FileLog>> FileLog::Open(const runtime::StageContext& context,
                                                       const std::string& path) {
  kafka::Producer::Options options;
  options.client = context.kafka;
  options.transactional_id =
      base::StrCat(pipeline::ConsumerGroup(context.pipeline, context.stage.name()), ".file");
  options.transaction_timeout = kafka::kStableTransactionTimeout;
  auto producer = kafka::Producer::Create(options, nullptr);
  if (!producer.ok()) return producer.status();
  if (absl::Status status = (*producer)->InitTransactions(kInitTimeout); !status.ok()) {
    return status;
  }
  auto limits = runtime::MaxRecordBytes(
      context.kafka, {context.stage.ingest().to(), pipeline::DeadLetterTopic(context.pipeline)});
  if (!limits.ok()) return limits.status();
  return std::unique_ptr<FileLog>(new FileLog(context, path, *std::move(producer), *limits));
}

FileLog::FileLog(const runtime::StageContext& context, const std::string& path,
                 std::unique_ptr<kafka::Producer> producer, const std::vector<int64_t>& limits)
    : context_(context),
      path_(path),
      positions_name_(pipeline::PositionsTopic(context.pipeline, context.stage.name())),
      producer_(std::move(producer)),
      dead_letters_(producer_.get(), context.pipeline, context.stage, limits[1]),
      topic_(producer_->AddTopic(context.stage.ingest().to())),
      positions_(producer_->AddTopic(positions_name_)),
      max_event_bytes_(limits[0]) {}

absl::StatusOr<Position> FileLog::Load() {
  absl::StatusOr<Position> position = Position{};
  const absl::Status status =
      kafka::ReadSnapshot(context_.kafka, positions_name_, kLoadTimeout, [&](const Record& record) {
        if (record.key != path_) return;
        position = record.has_value ? DecodePosition(record.value) : Position{};
      });
  if (!status.ok()) return status;
  return position;
}

absl::Status FileLog::Begin() {
  if (begun_) return absl::OkStatus();
  absl::Status status = producer_->Begin();
  begun_ = status.ok();
  return status;
}

absl::Status FileLog::Write(const Event& event) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  const kafka::Outgoing record{
      .topic = topic_, .key = event.key, .has_key = event.has_key, .value = event.bytes};
  ++records_;
  bytes_ += event.bytes.size();
  return producer_->Produce(record);
}

absl::Status FileLog::WriteDead(const Line& line, std::string_view error) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  ++records_;
  bytes_ += line.text.size();
  const std::string full_size = base::StrCat(line.size);
  std::vector<Header> headers;
  if (line.cut) headers.push_back({kTruncatedHeader, full_size});
  const Record record{
      .value = line.text, .timestamp_ms = base::NowMicros() / 1000, .offset = line.offset};
  return dead_letters_.Write(path_, record, headers, error);
}

absl::Status FileLog::Commit(const Position& position) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  const std::string value = Encode(position);
  absl::Status status = producer_->Produce(
      {.topic = positions_, .key = path_, .has_key = true, .value = value, .partition = 0});
  if (!status.ok()) return status;
  // Unavailable: it is not known whether it is committed; the same call tells.
  for (int attempt = 0; attempt < kCommitAttempts; ++attempt) {
    status = producer_->Commit();
    if (!absl::IsUnavailable(status)) break;
  }
  if (!status.ok()) return status;
  begun_ = false;
  records_ = bytes_ = 0;
  return status;
}

}  // namespace levada::ingest
