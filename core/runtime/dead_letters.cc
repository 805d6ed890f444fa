#include "core/runtime/dead_letters.h"

#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/record/headers.h"

namespace levada::runtime {

DeadLetterWriter::DeadLetterWriter(kafka::Producer* producer, const v1::Pipeline& pipeline,
                                   const v1::Stage& stage)
    : producer_(producer),
      topic_(producer->AddTopic(pipeline::DeadLetterTopic(pipeline))),
      stage_(base::StrCat(pipeline.metadata().name(), "/", stage.name())) {}

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
  out.value = record.value.substr(0, kMaxValueBytes);
  out.has_value = record.has_value;
  if (out.value.size() < record.value.size()) all.push_back({kTruncatedHeader, full_size});
  out.headers = all;
  return producer_->Produce(out);
}

}  // namespace levada::runtime
