#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/kafka/producer.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// Writes records that cannot be processed to the pipeline's dead-letter topic: the original's
// bytes, key and headers, and in headers of its own (core/record/headers.h) what was wrong and
// where it came from.
//
// Threads: as the producer.
namespace levada::runtime {

class DeadLetterWriter {
 public:
  // Originals larger than `max_record_bytes` (of the topic: MaxRecordBytes) are cut to it.
  DeadLetterWriter(kafka::Producer* producer, const v1::Pipeline& pipeline, const v1::Stage& stage,
                   int64_t max_record_bytes);

  // `topic`: where the record came from; a Kafka topic, or a file's path.
  absl::Status Write(std::string_view topic, const Record& record,
                     const std::vector<Header>& headers, std::string_view error);

 private:
  kafka::Producer* producer_;
  const int topic_;
  const std::string stage_;
  const size_t max_record_bytes_;
};

}  // namespace levada::runtime
