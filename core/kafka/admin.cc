#include "core/kafka/admin.h"

#include <librdkafka/rdkafka.h>

#include <functional>
#include <set>

#include "core/base/strings.h"

namespace levada::kafka {
namespace {

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;

class AdminImpl : public Admin {
 public:
  AdminImpl(const ClientConfig& config, std::chrono::milliseconds timeout)
      : config_(config), timeout_ms_(static_cast<int>(timeout.count())) {}
  ~AdminImpl() override {
    if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
    if (client_ != nullptr) rd_kafka_destroy(client_);
  }

  absl::Status Open() {
    absl::StatusOr<rd_kafka_conf_t*> conf = MakeConf(config_, {});
    if (!conf.ok()) return conf.status();
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, *conf, reason, sizeof reason);
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(base::StrCat("Kafka client: ", reason));
    }
    queue_ = rd_kafka_queue_new(client_);
    return absl::OkStatus();
  }

  absl::Status WaitForBroker(std::chrono::milliseconds timeout) override {
    const rd_kafka_metadata_t* metadata = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_, 0, nullptr, &metadata, static_cast<int>(timeout.count()));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return absl::UnavailableError(base::StrCat("Kafka at ", config_.brokers,
                                                 " does not answer: ", rd_kafka_err2str(error)));
    }
    rd_kafka_metadata_destroy(metadata);
    return absl::OkStatus();
  }

  absl::StatusOr<std::map<std::string, TopicState>> Describe(
      const std::vector<std::string>& names) override {
    const rd_kafka_metadata_t* metadata = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_, 1, nullptr, &metadata, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "listing topics");
    const std::set<std::string> wanted(names.begin(), names.end());
    std::map<std::string, TopicState> topics;
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic& topic = metadata->topics[i];
      if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      if (!wanted.contains(topic.topic)) continue;
      TopicState& state = topics[topic.topic];
      state.name = topic.topic;
      state.partitions = topic.partition_cnt;
      state.replication = topic.partition_cnt > 0 ? topic.partitions[0].replica_cnt : 0;
    }
    rd_kafka_metadata_destroy(metadata);
    if (absl::Status status = ReadConfigs(&topics); !status.ok()) return status;
    return topics;
  }

  absl::Status Create(const std::vector<NewTopic>& topics,
                      std::vector<std::string>* existed) override {
    std::vector<rd_kafka_NewTopic_t*> requests;
    for (const NewTopic& topic : topics) {
      char reason[256];
      rd_kafka_NewTopic_t* request = rd_kafka_NewTopic_new(
          topic.name.c_str(), topic.partitions, topic.replication, reason, sizeof reason);
      if (request == nullptr) {
        rd_kafka_NewTopic_destroy_array(requests.data(), requests.size());
        return absl::InvalidArgumentError(base::StrCat("topic ", topic.name, ": ", reason));
      }
      for (const auto& [name, value] : topic.config) {
        rd_kafka_NewTopic_set_config(request, name.c_str(), value.c_str());
      }
      requests.push_back(request);
    }
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_CREATETOPICS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_CreateTopics(client_, requests.data(), requests.size(), options, queue_);
        },
        [&](rd_kafka_event_t* event) {
          size_t count = 0;
          const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(
              rd_kafka_event_CreateTopics_result(event), &count);
          for (size_t i = 0; existed != nullptr && i < count; ++i) {
            if (rd_kafka_topic_result_error(results[i]) == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
              existed->push_back(rd_kafka_topic_result_name(results[i]));
            }
          }
          return FirstError(results, count, "creating topic ");
        });
    rd_kafka_NewTopic_destroy_array(requests.data(), requests.size());
    return status;
  }

  absl::Status Grow(const std::string& topic, int partitions) override {
    char reason[256];
    rd_kafka_NewPartitions_t* request =
        rd_kafka_NewPartitions_new(topic.c_str(), partitions, reason, sizeof reason);
    if (request == nullptr) {
      return absl::InvalidArgumentError(base::StrCat("topic ", topic, ": ", reason));
    }
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_CreatePartitions(client_, &request, 1, options, queue_);
        },
        [](rd_kafka_event_t* event) {
          size_t count = 0;
          const rd_kafka_topic_result_t** results = rd_kafka_CreatePartitions_result_topics(
              rd_kafka_event_CreatePartitions_result(event), &count);
          return FirstError(results, count, "growing topic ");
        });
    rd_kafka_NewPartitions_destroy(request);
    return status;
  }

  absl::Status SetConfig(const std::string& topic, const std::map<std::string, std::string>& config,
                         const std::vector<std::string>& resets) override {
    // AlterConfigs replaces the whole list: what is set there goes along.
    std::map<std::string, TopicState> states;
    states[topic].name = topic;
    if (absl::Status status = ReadConfigs(&states); !status.ok()) return status;
    std::map<std::string, std::string> merged = states[topic].config;
    for (const auto& [name, value] : config) merged[name] = value;
    for (const std::string& name : resets) merged.erase(name);
    rd_kafka_ConfigResource_t* resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    for (const auto& [name, value] : merged) {
      rd_kafka_ConfigResource_set_config(resource, name.c_str(), value.c_str());
    }
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_ALTERCONFIGS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_AlterConfigs(client_, &resource, 1, options, queue_);
        },
        [](rd_kafka_event_t* event) {
          size_t count = 0;
          const rd_kafka_ConfigResource_t** results = rd_kafka_AlterConfigs_result_resources(
              rd_kafka_event_AlterConfigs_result(event), &count);
          for (size_t i = 0; i < count; ++i) {
            if (rd_kafka_ConfigResource_error(results[i]) == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
            return ToStatus(
                rd_kafka_ConfigResource_error(results[i]),
                base::StrCat("configuring topic ", rd_kafka_ConfigResource_name(results[i])));
          }
          return absl::OkStatus();
        });
    rd_kafka_ConfigResource_destroy(resource);
    return status;
  }

  absl::Status Delete(const std::vector<std::string>& topics) override {
    std::vector<rd_kafka_DeleteTopic_t*> requests;
    for (const std::string& topic : topics) {
      requests.push_back(rd_kafka_DeleteTopic_new(topic.c_str()));
    }
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_DELETETOPICS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_DeleteTopics(client_, requests.data(), requests.size(), options, queue_);
        },
        [](rd_kafka_event_t* event) {
          size_t count = 0;
          const rd_kafka_topic_result_t** results = rd_kafka_DeleteTopics_result_topics(
              rd_kafka_event_DeleteTopics_result(event), &count);
          return FirstError(results, count, "deleting topic ");
        });
    rd_kafka_DeleteTopic_destroy_array(requests.data(), requests.size());
    return status;
  }

  absl::Status DeleteRecords(const std::string& topic,
                             const std::map<int32_t, int64_t>& before) override {
    Handle<rd_kafka_topic_partition_list_t> list(
        rd_kafka_topic_partition_list_new(static_cast<int>(before.size())),
        rd_kafka_topic_partition_list_destroy);
    for (const auto& [partition, offset] : before) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
    }
    rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list.get());
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_DELETERECORDS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_DeleteRecords(client_, &request, 1, options, queue_);
        },
        [&](rd_kafka_event_t* event) {
          const rd_kafka_topic_partition_list_t* results =
              rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
          for (int i = 0; i < results->cnt; ++i) {
            if (results->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
            return ToStatus(results->elems[i].err, base::StrCat("deleting records of ", topic, "[",
                                                                results->elems[i].partition, "]"));
          }
          return absl::OkStatus();
        });
    rd_kafka_DeleteRecords_destroy(request);
    return status;
  }

  absl::StatusOr<std::vector<Watermarks>> QueryWatermarks(const std::string& topic) override {
    absl::StatusOr<int> partitions = Partitions(topic);
    if (!partitions.ok()) return partitions.status();
    std::vector<Watermarks> marks(*partitions);
    for (int i = 0; i < *partitions; ++i) {
      const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
          client_, topic.c_str(), i, &marks[i].low, &marks[i].high, timeout_ms_);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return ToStatus(error, base::StrCat("reading the ends of ", topic));
      }
    }
    return marks;
  }

  absl::StatusOr<std::vector<int64_t>> Committed(const std::string& group,
                                                 const std::string& topic) override {
    absl::StatusOr<int> partitions = Partitions(topic);
    if (!partitions.ok()) return partitions.status();
    absl::StatusOr<rd_kafka_conf_t*> conf = MakeConf(config_, {{"group.id", group}});
    if (!conf.ok()) return conf.status();
    char reason[512];
    Handle<rd_kafka_t> member(rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason),
                              rd_kafka_destroy);
    if (member == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(reason);
    }
    Handle<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(*partitions),
                                                 rd_kafka_topic_partition_list_destroy);
    for (int i = 0; i < *partitions; ++i) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i);
    }
    const rd_kafka_resp_err_t error = rd_kafka_committed(member.get(), list.get(), timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "reading offsets of " + group);
    std::vector<int64_t> offsets;
    for (int i = 0; i < *partitions; ++i) {
      offsets.push_back(list->elems[i].offset < 0 ? -1 : list->elems[i].offset);
    }
    return offsets;
  }

 private:
  static absl::Status FirstError(const rd_kafka_topic_result_t** results, size_t count,
                                 std::string_view what) {
    for (size_t i = 0; i < count; ++i) {
      const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        continue;
      }
      const char* text = rd_kafka_topic_result_error_string(results[i]);
      return ToStatus(error, base::StrCat(what, rd_kafka_topic_result_name(results[i]),
                                          text != nullptr ? base::StrCat(" (", text, ")") : ""));
    }
    return absl::OkStatus();
  }

  // Sends a request and reads its one answer.
  absl::Status Ask(rd_kafka_admin_op_t operation,
                   const std::function<void(rd_kafka_AdminOptions_t*)>& send,
                   const std::function<absl::Status(rd_kafka_event_t*)>& read) {
    Handle<rd_kafka_AdminOptions_t> options(rd_kafka_AdminOptions_new(client_, operation),
                                            rd_kafka_AdminOptions_destroy);
    char reason[256];
    rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms_, reason, sizeof reason);
    send(options.get());
    Handle<rd_kafka_event_t> event(rd_kafka_queue_poll(queue_, timeout_ms_ + 5000),
                                   rd_kafka_event_destroy);
    if (event == nullptr) return absl::UnavailableError("Kafka did not answer in time");
    if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get())) {
      return ToStatus(error, rd_kafka_event_error_string(event.get()));
    }
    return read(event.get());
  }

  absl::Status ReadConfigs(std::map<std::string, TopicState>* topics) {
    if (topics->empty()) return absl::OkStatus();
    std::vector<rd_kafka_ConfigResource_t*> resources;
    for (const auto& [name, state] : *topics) {
      resources.push_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    }
    absl::Status status = Ask(
        RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
        [&](rd_kafka_AdminOptions_t* options) {
          rd_kafka_DescribeConfigs(client_, resources.data(), resources.size(), options, queue_);
        },
        [&](rd_kafka_event_t* event) {
          size_t count = 0;
          const rd_kafka_ConfigResource_t** results = rd_kafka_DescribeConfigs_result_resources(
              rd_kafka_event_DescribeConfigs_result(event), &count);
          for (size_t i = 0; i < count; ++i) {
            absl::Status one = ReadConfig(*results[i], topics);
            if (!one.ok()) return one;
          }
          return absl::OkStatus();
        });
    rd_kafka_ConfigResource_destroy_array(resources.data(), resources.size());
    return status;
  }

  static absl::Status ReadConfig(const rd_kafka_ConfigResource_t& resource,
                                 std::map<std::string, TopicState>* topics) {
    const char* name = rd_kafka_ConfigResource_name(&resource);
    if (const rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(&resource)) {
      return ToStatus(error, base::StrCat("reading the configuration of ", name));
    }
    size_t count = 0;
    const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(&resource, &count);
    for (size_t i = 0; i < count; ++i) {
      if (rd_kafka_ConfigEntry_source(entries[i]) != RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG) {
        continue;
      }
      const char* value = rd_kafka_ConfigEntry_value(entries[i]);
      (*topics)[name].config[rd_kafka_ConfigEntry_name(entries[i])] = value ? value : "";
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int> Partitions(const std::string& topic) {
    Handle<rd_kafka_topic_t> handle(rd_kafka_topic_new(client_, topic.c_str(), nullptr),
                                    rd_kafka_topic_destroy);
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client_, 0, handle.get(), &metadata, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "looking up " + topic);
    const int count = metadata->topics[0].partition_cnt;
    error = metadata->topics[0].err;
    rd_kafka_metadata_destroy(metadata);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "looking up " + topic);
    return count;
  }

  const ClientConfig config_;
  const int timeout_ms_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Create(const ClientConfig& config,
                                                     std::chrono::milliseconds timeout) {
  auto admin = std::make_unique<AdminImpl>(config, timeout);
  if (absl::Status status = admin->Open(); !status.ok()) return status;
  return admin;
}

}  // namespace levada::kafka
