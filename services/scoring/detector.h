#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/json/scan.h"
#include "core/record/record.h"
#include "core/runtime/stage.h"
#include "services/scoring/answer.h"
#include "services/scoring/chain.h"
#include "services/scoring/peers/forwarder.h"

// Answers one event at once, by the same steps as the stream; nothing is written anywhere. Where
// the stage remembers events, the one who answers is the worker that has the partition of the
// event's key: others pass it on to him.
namespace levada::scoring {

class Detector {
 public:
  // `from`: the topic that the stage reads; null where it is not declared.
  Detector(std::unique_ptr<Chain> chain, const v1::Topic* from);

  // Who answers what is not here; it outlives this. Null (at first): nobody does. Not while events
  // are answered.
  void set_forwarder(peers::Forwarder* forwarder) { forwarder_ = forwarder; }

  // InvalidArgument with the reason for an event that would become a dead letter; Unavailable with
  // what to do where nobody can answer now. `forwarded`: another worker asks, and the event is not
  // passed on again.
  // Threads: any; one event is scored at a time. `done` is called once, at once or from a thread
  // of the forwarder.
  void Detect(std::string event, bool forwarded, Done done);

 private:
  // No value: what is known of its key is not here.
  absl::StatusOr<std::optional<Answer>> Score(const Record& record);
  // The event as a record of the topic, with the key that ingest would have given it.
  Record ToRecord(std::string_view event, std::string* key) const;

  peers::Forwarder* forwarder_ = nullptr;
  std::mutex mutex_;
  std::unique_ptr<Chain> chain_;
  std::string topic_;
  json::FieldSet fields_;
  int key_field_ = -1;
  OutputBatch output_;
};

// REST `POST <path>` and gRPC levada.v1.Detector in front of it. Stops when destroyed, after the
// requests under way. A port of 0 in `context` takes any free one.
class DetectorServer {
 public:
  static absl::StatusOr<std::unique_ptr<DetectorServer>> Start(
      const runtime::StageContext& context, const peers::Certificate& certificate,
      Detector* detector);
  virtual ~DetectorServer() = default;
  virtual uint16_t http_port() const = 0;
  virtual uint16_t grpc_port() const = 0;
};

}  // namespace levada::scoring
