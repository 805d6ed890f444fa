#include "core/runtime/dead_letters.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/record/headers.h"

namespace levada::runtime {

DeadLetterWriter::DeadLetterWriter(kafka::Producer* producer, const v1::Pipeline& pipeline,
                                   const v1::Stage& stage, int64_t max_record_bytes)
    : producer_(producer),
      topic_(producer->AddTopic(pipeline::DeadLetterTopic(pipeline))),
      stage_(base::StrCat(pipeline.metadata().name(), "/", stage.name())),
      max_record_bytes_(static_cast<size_t>(max_record_bytes)) {}

absl::Status DeadLetterWriter::Write(std::string_view topic, const Record& record,
                                     const std::vector<Header>& headers, std::string_view error) {
  const std::string partition = base::StrCat(record.partition);
  const std::string offset = base::StrCat(record.offset);
  const std::string timestamp = base::StrCat(record.timestamp_ms);
  const std::string full_size = base::StrCat(record.value.size());
  std::vector<Header> all = headers;
  all.push_back({kErrorHeader, error});
  all.push_back({kStageHeader, stage_});
  all.push_back({kTopicHeader, topic});
  all.push_back({kPartitionHeader, partition});
  all.push_back({kOffsetHeader, offset});
  all.push_back({kTimestampHeader, timestamp});
  kafka::Outgoing out;
  out.topic = topic_;
  out.key = record.key;
  out.has_key = record.has_key;
  size_t room = max_record_bytes_ - std::min(max_record_bytes_, record.key.size() + error.size());
  for (const Header& header : headers) {
    room -= std::min(room, header.name.size() + header.value.size());
  }
  out.value = record.value.substr(0, room);
  out.has_value = record.has_value;
  if (out.value.size() < record.value.size()) all.push_back({kTruncatedHeader, full_size});
  out.headers = all;
  return producer_->Produce(out);
}

}  // namespace levada::runtime
