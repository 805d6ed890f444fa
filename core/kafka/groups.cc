#include "core/kafka/groups.h"

#include <librdkafka/rdkafka.h>

#include <functional>
#include <set>

#include "absl/strings/str_join.h"
#include "core/base/strings.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kUnderWay = 256;  // requests at a time
// A time of -1 asks for the end of a partition, of -2 for its beginning: one request a broker for
// so many, where rd_kafka_query_watermark_offsets sends two for each partition. librdkafka looks
// for each of them in a list: twice as many take four times the processor time.
constexpr int kPartitionsAsked = 250;

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;
using List = Handle<rd_kafka_topic_partition_list_t>;
using Event = Handle<rd_kafka_event_t>;

// Never joined. Without a name librdkafka 2.0 ends the process when leaders change.
constexpr char kNoGroup[] = "levada-operator";

// A topic that was made just now, or whose leader moves: the next reading finds it.
bool IsSettling(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
         error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

List NewList(int size) {
  return List(rd_kafka_topic_partition_list_new(size), rd_kafka_topic_partition_list_destroy);
}

class GroupsImpl : public Groups {
 public:
  GroupsImpl(const ClientConfig& config, std::chrono::milliseconds timeout)
      : config_(config), timeout_ms_(static_cast<int>(timeout.count())) {}

  ~GroupsImpl() override {
    if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
    // It has nothing to leave, so nobody need be waited for.
    if (client_ != nullptr) rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }

  // A consumer that joins no group: its isolation level makes the ends those of committed data.
  absl::Status Open() {
    absl::StatusOr<rd_kafka_conf_t*> conf =
        MakeConf(config_, {{"isolation.level", "read_committed"}, {"group.id", kNoGroup}});
    if (!conf.ok()) return conf.status();
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason);
    if (client_ == nullptr) {
      rd_kafka_conf_destroy(*conf);
      return absl::InvalidArgumentError(base::StrCat("Kafka client: ", reason));
    }
    queue_ = rd_kafka_queue_new(client_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::map<std::string, int>> Partitions(
      const std::vector<std::string>& topics) override {
    const rd_kafka_metadata_t* metadata = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_, 1, nullptr, &metadata, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "listing topics");
    const std::set<std::string> wanted(topics.begin(), topics.end());
    std::map<std::string, int> partitions;
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic& topic = metadata->topics[i];
      if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR || !wanted.contains(topic.topic)) continue;
      bool led = true;
      for (int j = 0; j < topic.partition_cnt; ++j) led = led && topic.partitions[j].leader >= 0;
      if (led) partitions[topic.topic] = topic.partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return partitions;
  }

  absl::StatusOr<std::map<std::string, std::vector<PartitionEnds>>> Ends(
      const std::map<std::string, int>& partitions, bool begins) override {
    std::map<std::string, std::vector<PartitionEnds>> ends;
    std::set<std::string> failed;
    for (const bool begin : {true, false}) {
      if (begin && !begins) continue;
      for (auto next = partitions.begin(); next != partitions.end();) {
        const List list = NewList(16);
        for (; next != partitions.end() && list->cnt < kPartitionsAsked; ++next) {
          for (int i = 0; i < next->second; ++i) {
            rd_kafka_topic_partition_list_add(list.get(), next->first.c_str(), i)->offset =
                begin ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
          }
        }
        if (list->cnt == 0) continue;
        const rd_kafka_resp_err_t error =
            rd_kafka_offsets_for_times(client_, list.get(), timeout_ms_);
        if (IsSettling(error)) return std::map<std::string, std::vector<PartitionEnds>>();
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
          return ToStatus(error, "reading the ends of topics");
        }
        ReadEnds(*list, begin, partitions, &ends, &failed);
      }
    }
    for (const std::string& topic : failed) ends.erase(topic);
    return ends;
  }

  absl::StatusOr<std::vector<std::vector<int64_t>>> Next(
      const std::vector<GroupOnTopic>& groups) override {
    std::vector<std::vector<int64_t>> next(groups.size());
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms_);
    size_t sent = 0;
    size_t answered = 0;
    // Answers that come after the deadline find no reader and are thrown away with their queue.
    Handle<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_), rd_kafka_queue_destroy);
    while (answered < groups.size()) {
      for (; sent < groups.size() && sent - answered < kUnderWay; ++sent) {
        AskNext(groups[sent], sent, queue.get());
      }
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) return absl::UnavailableError("Kafka did not answer in time");
      const Event event(rd_kafka_queue_poll(queue.get(), static_cast<int>(left.count())),
                        rd_kafka_event_destroy);
      if (event == nullptr) continue;
      ++answered;
      const auto at = reinterpret_cast<size_t>(rd_kafka_event_opaque(event.get()));
      ReadNext(event.get(), groups[at], &next[at]);
    }
    return next;
  }

  absl::StatusOr<std::vector<GroupMember>> Members(const std::string& group,
                                                   const std::string& topic) override {
    const auto options = Options(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    Handle<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_), rd_kafka_queue_destroy);
    const char* name = group.c_str();
    rd_kafka_DescribeConsumerGroups(client_, &name, 1, options.get(), queue.get());
    const Event event(rd_kafka_queue_poll(queue.get(), timeout_ms_ + 1000), rd_kafka_event_destroy);
    if (event == nullptr) return absl::UnavailableError("Kafka did not answer in time");
    const std::string what = base::StrCat("asking for the members of ", group);
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return ToStatus(rd_kafka_event_error(event.get()), what);
    }
    size_t count = 0;
    const rd_kafka_ConsumerGroupDescription_t** groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
    if (count != 1) return absl::InternalError(what);
    const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
    if (error != nullptr) return ToStatus(rd_kafka_error_code(error), what);
    return ReadMembers(*groups[0], topic);
  }

  absl::Status DeleteWithPrefix(const std::string& prefix) override {
    const rd_kafka_group_list* list = nullptr;
    const rd_kafka_resp_err_t error = rd_kafka_list_groups(client_, nullptr, &list, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "listing consumer groups");
    std::vector<rd_kafka_DeleteGroup_t*> requests;
    for (int i = 0; i < list->group_cnt; ++i) {
      if (std::string_view(list->groups[i].group).starts_with(prefix)) {
        requests.push_back(rd_kafka_DeleteGroup_new(list->groups[i].group));
      }
    }
    rd_kafka_group_list_destroy(list);
    if (requests.empty()) return absl::OkStatus();
    const auto options = Options(RD_KAFKA_ADMIN_OP_DELETEGROUPS);
    rd_kafka_DeleteGroups(client_, requests.data(), requests.size(), options.get(), queue_);
    rd_kafka_DeleteGroup_destroy_array(requests.data(), requests.size());
    const Event event(rd_kafka_queue_poll(queue_, timeout_ms_ + 1000), rd_kafka_event_destroy);
    if (event == nullptr) return absl::UnavailableError("Kafka did not answer in time");
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return ToStatus(rd_kafka_event_error(event.get()), "deleting consumer groups");
    }
    return Deleted(event.get());
  }

 private:
  static void ReadEnds(const rd_kafka_topic_partition_list_t& list, bool begin,
                       const std::map<std::string, int>& partitions,
                       std::map<std::string, std::vector<PartitionEnds>>* ends,
                       std::set<std::string>* failed) {
    for (int i = 0; i < list.cnt; ++i) {
      const rd_kafka_topic_partition_t& entry = list.elems[i];
      if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR || entry.offset < 0) {
        failed->insert(entry.topic);
        continue;
      }
      std::vector<PartitionEnds>& of_topic = (*ends)[entry.topic];
      of_topic.resize(partitions.at(entry.topic));
      (begin ? of_topic[entry.partition].begin : of_topic[entry.partition].end) = entry.offset;
    }
  }

  Handle<rd_kafka_AdminOptions_t> Options(rd_kafka_admin_op_t operation) {
    Handle<rd_kafka_AdminOptions_t> options(rd_kafka_AdminOptions_new(client_, operation),
                                            rd_kafka_AdminOptions_destroy);
    char reason[256];
    rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms_, reason, sizeof reason);
    return options;
  }

  void AskNext(const GroupOnTopic& group, size_t at, rd_kafka_queue_t* queue) {
    const List list = NewList(group.partitions);
    for (int i = 0; i < group.partitions; ++i) {
      rd_kafka_topic_partition_list_add(list.get(), group.topic.c_str(), i);
    }
    rd_kafka_ListConsumerGroupOffsets_t* request =
        rd_kafka_ListConsumerGroupOffsets_new(group.group.c_str(), list.get());
    const auto options = Options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(at));
    rd_kafka_ListConsumerGroupOffsets(client_, &request, 1, options.get(), queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
  }

  static void ReadNext(rd_kafka_event_t* event, const GroupOnTopic& group,
                       std::vector<int64_t>* next) {
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    const auto* result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
    size_t count = 0;
    const rd_kafka_group_result_t** results =
        rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    if (count != 1 || rd_kafka_group_result_error(results[0]) != nullptr) return;
    const rd_kafka_topic_partition_list_t* list = rd_kafka_group_result_partitions(results[0]);
    next->assign(group.partitions, -1);
    for (int i = 0; list != nullptr && i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& entry = list->elems[i];
      if (entry.partition < group.partitions && entry.offset >= 0) {
        (*next)[entry.partition] = entry.offset;
      }
    }
  }

  static absl::StatusOr<std::vector<GroupMember>> ReadMembers(
      const rd_kafka_ConsumerGroupDescription_t& group, const std::string& topic) {
    const rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(&group);
    if (state == RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE ||
        state == RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE) {
      return absl::UnavailableError("partitions are being shared out among the workers");
    }
    std::vector<GroupMember> members(rd_kafka_ConsumerGroupDescription_member_count(&group));
    for (size_t i = 0; i < members.size(); ++i) {
      const rd_kafka_MemberDescription_t* member =
          rd_kafka_ConsumerGroupDescription_member(&group, i);
      const auto text = [](const char* value) { return std::string(value ? value : ""); };
      members[i].client_id = text(rd_kafka_MemberDescription_client_id(member));
      members[i].host = text(rd_kafka_MemberDescription_host(member));
      const rd_kafka_MemberAssignment_t* assignment = rd_kafka_MemberDescription_assignment(member);
      const rd_kafka_topic_partition_list_t* list =
          assignment ? rd_kafka_MemberAssignment_partitions(assignment) : nullptr;
      for (int j = 0; list != nullptr && j < list->cnt; ++j) {
        if (list->elems[j].topic != topic) continue;
        members[i].partitions.push_back(list->elems[j].partition);
      }
    }
    return members;
  }

  static absl::Status Deleted(rd_kafka_event_t* event) {
    size_t count = 0;
    const rd_kafka_group_result_t** results =
        rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
    std::vector<std::string> left;
    for (size_t i = 0; i < count; ++i) {
      const rd_kafka_error_t* error = rd_kafka_group_result_error(results[i]);
      if (error == nullptr || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
        continue;
      }
      left.push_back(base::StrCat(rd_kafka_group_result_name(results[i]), " (",
                                  rd_kafka_error_string(error), ")"));
    }
    if (left.empty()) return absl::OkStatus();
    return absl::UnavailableError(
        base::StrCat("consumer groups are left: ", absl::StrJoin(left, ", ")));
  }

  const ClientConfig config_;
  const int timeout_ms_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Groups>> Groups::Create(const ClientConfig& config,
                                                       std::chrono::milliseconds timeout) {
  auto groups = std::make_unique<GroupsImpl>(config, timeout);
  if (absl::Status status = groups->Open(); !status.ok()) return status;
  return groups;
}

}  // namespace levada::kafka
