#include "core/kafka/messages.h"

#include <algorithm>

namespace levada::kafka {

Record ToRecord(const rd_kafka_message_t& message) {
  Record record;
  record.has_key = message.key != nullptr;
  if (record.has_key) record.key = {static_cast<const char*>(message.key), message.key_len};
  record.has_value = message.payload != nullptr;
  if (record.has_value) {
    record.value = {static_cast<const char*>(message.payload), message.len};
  }
  record.timestamp_ms = rd_kafka_message_timestamp(&message, nullptr);
  record.offset = message.offset;
  record.partition = message.partition;
  record.native = &message;
  return record;
}

void ReadMessageHeaders(const Record& record, std::vector<Header>* headers) {
  const auto* message = static_cast<const rd_kafka_message_t*>(record.native);
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    headers->push_back({name, {static_cast<const char*>(value), value != nullptr ? size : 0}});
  }
}

Messages::~Messages() {
  for (rd_kafka_message_t* message : messages_) rd_kafka_message_destroy(message);
}

ssize_t TakeMessages(rd_kafka_queue_t* queue, int timeout_ms,
                     std::vector<rd_kafka_message_t*>* scratch) {
  // The client fills a batch until it is full or the time is up. So take what is there; only when
  // nothing is, wait for one message, and take what came with it.
  ssize_t count = rd_kafka_consume_batch_queue(queue, 0, scratch->data(), scratch->size());
  if (count != 0 || timeout_ms <= 0) return count;
  count = rd_kafka_consume_batch_queue(queue, timeout_ms, scratch->data(), 1);
  if (count == 1 && scratch->size() > 1) {
    const ssize_t more =
        rd_kafka_consume_batch_queue(queue, 0, scratch->data() + 1, scratch->size() - 1);
    count += std::max<ssize_t>(more, 0);
  }
  return count;
}

}  // namespace levada::kafka
