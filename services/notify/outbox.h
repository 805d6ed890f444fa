#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/runtime/stage.h"
#include "services/notify/notification.h"
#include "services/notify/probe.h"
#include "services/notify/progress.h"
#include "services/notify/sender.h"
#include "services/notify/sent_log.h"
#include "services/notify/throttle.h"

// Takes events that people are to hear of and sees to it that each one is sent: none is missing,
// and what may have been sent before is sent again only marked as a repeat, with the same id.
//
//   Outbox outbox(options, sender, log, probe);
//   outbox.Assign(partitions);           // repeats what the log has as an attempt
//   outbox.Take(event);                  // into its group, or to be sent at once
//   outbox.Flush(&refused);              // sends what is due
//   outbox.Committable();                // how far all is sent
//
// One notification goes through these states; the log (sent_log.h) has what is in brackets:
//
//   waiting -> [attempt] -> send -> taken                -> [sent]   -> committed -> [deleted]
//                             |---> refused for good     -> [failed] -> dead letter, committed, …
//                             |---> certainly not sent   -> [deleted] -> waiting
//                             '---> answer lost          -> send again, as a repeat
//
// The attempt is in Kafka before the first byte goes out, and the offsets are committed after the
// answer is in Kafka. So whoever reads an attempt at its start, after a crash, repeats it: it may
// have been sent before, or the crash was between the record and the send, which nobody can tell.
//
// Thread-safety: one thread.
namespace levada::notify {

class Outbox {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // How much waits in memory; more is left in Kafka.
  static constexpr size_t kMaxEvents = 10'000;
  static constexpr size_t kMaxBytes = 64 << 20;
  // No send is begun later than this after Flush was called: the worker has to answer its group.
  // Also bounds what a worker that was frozen, and whose partitions others have by now, may send.
  static constexpr std::chrono::milliseconds kFlushBudget{1'000};
  static constexpr std::chrono::milliseconds kCommitEvery{1'000};
  static constexpr std::chrono::milliseconds kCleanEvery{10'000};

  struct Grouping {
    std::chrono::milliseconds wait{0};
    size_t max = 1;
  };
  struct Options {
    Origin origin;
    std::optional<Grouping> group;
    Throttle throttle;
    std::function<Time()> now = [] { return std::chrono::steady_clock::now(); };
  };
  // An event for the dead-letter topic.
  struct Refused {
    Event event;
    std::string error;
  };

  Outbox(Options options, Sender* sender, SentLog* log, Probe* probe);
  ~Outbox();

  absl::Status Assign(const std::vector<runtime::Assignment>& partitions);
  // Forgets what is of these partitions.
  void Release(const std::vector<int32_t>& partitions);
  void Discard();

  // Whether the log has something about this event.
  bool Remembers(int32_t partition, int64_t offset) const;
  // Takes such an event; false, with the reason, where it is to become a dead letter.
  bool Recall(Event event, std::string* error);
  // Takes a new event.
  void Take(Event event);
  // An event that nobody is to hear of.
  void Pass(int32_t partition, int64_t offset);

  // Sends what is due. `refused` is given out with OK only.
  absl::Status Flush(std::vector<Refused>* refused);
  Time FlushAt() const;
  // Groups wait no longer.
  void CloseGroups();
  bool TakesMore() const;
  runtime::Offsets Committable() const { return progress_.Committable(); }

 private:
  struct Message;
  // What the log says about the events of one notification.
  struct Fate {
    SentState state = SentState::kAttempt;
    std::string error;
    Message* message = nullptr;  // of an attempt: where this worker is to repeat it
  };
  struct Message {
    std::vector<Event> events;  // those at hand: of a repeat they come in by and by
    SentEntry entry;            // once it is logged
    bool logged = false;        // as an attempt; perhaps not yet durable
    bool durable = false;
    bool maybe_sent = false;
    std::shared_ptr<Fate> fate;  // of a repeat that was found in the log
    Time due{};                  // of a group that waits
    Time not_before{};           // it was refused for now
    int refusals = 0;            // of this kind
    size_t body_bytes = 0;
    size_t value_bytes = 0;
  };
  struct Partition {
    int64_t epoch = 0;
    bool committed = false;  // its epoch is kept in Kafka, beside an offset
  };
  struct Over {
    std::string id;
    std::vector<Covered> last;  // of each partition only the last offset
  };

  void Remember(const SentEntry& entry, const std::set<int32_t>& fresh,
                const std::map<int32_t, int64_t>& begin);
  Message* FindLogged(const std::string& id);
  void Enqueue(Message message);
  void JoinGroup(Event event);
  void Touch();

  absl::Status CommitEpochs(bool* wait);
  absl::Status SendDue();
  Message* NextDue(Time now);
  absl::Status Attempt(Message& message, Time began);
  absl::Status Settle(Message& message, const SendResult& result, Time now);
  void Finish(Message& message, SentState state, const std::string& error);
  void Unlog(Message& message);
  void Refuse(const Message& message, const std::string& error);
  void Clean();
  void Drop(std::list<Message>::iterator message, const std::set<int32_t>& gone);
  void Shrink(std::vector<Event>* events, const std::set<int32_t>& gone);

  const Options options_;
  Sender* const sender_;
  SentLog* const log_;
  Probe* const probe_;
  Throttle throttle_;

  std::map<int32_t, Partition> partitions_;
  Progress progress_;
  std::map<int32_t, std::map<int64_t, std::shared_ptr<Fate>>> fates_;
  std::list<Message> queue_;               // ready to be sent, repeats first
  std::map<std::string, Message> groups_;  // wait for more
  std::vector<Over> over_;                 // in the log until their offsets are committed
  std::vector<Refused> refused_;
  size_t held_events_ = 0;
  size_t held_bytes_ = 0;

  std::optional<Time> touched_;    // records were taken since the last Flush that was OK
  std::optional<Time> throttled_;  // since when the throttle holds something back
  Time blocked_until_;             // the other side has asked for a pause
  std::string blocked_why_;
  Time cleaned_;
};

}  // namespace levada::notify
