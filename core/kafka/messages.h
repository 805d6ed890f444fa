#pragma once

#include <librdkafka/rdkafka.h>

#include <vector>

#include "core/record/record.h"

// Messages of the Kafka client as records. Only for .cc files of this folder.
namespace levada::kafka {

// The record views the message.
Record ToRecord(const rd_kafka_message_t& message);

// Appends the headers of a record made from a message.
void ReadMessageHeaders(const Record& record, std::vector<Header>* headers);

// Keeps Kafka's fetch buffers while somebody reads the batch.
class Messages : public BatchOwner {
 public:
  explicit Messages(std::vector<rd_kafka_message_t*> messages) : messages_(std::move(messages)) {}
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;
  ~Messages() override;
  void ReadHeaders(const Record& record, std::vector<Header>* headers) const override {
    ReadMessageHeaders(record, headers);
  }

 private:
  std::vector<rd_kafka_message_t*> messages_;
};

// Takes up to `scratch->size()` messages and events from a consumer's queue, as soon as any are
// there, or none after `timeout_ms`. -1: an error, rd_kafka_last_error().
ssize_t TakeMessages(rd_kafka_queue_t* queue, int timeout_ms,
                     std::vector<rd_kafka_message_t*>* scratch);

}  // namespace levada::kafka
