#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/json/scan.h"
#include "core/record/record.h"
#include "core/runtime/stage.h"
#include "services/scoring/chain.h"

// Answers one event at once, by the same steps as the stream; nothing is written anywhere.
namespace levada::scoring {

class Detector {
 public:
  struct Answer {
    bool kept = false;                // false: a filter dropped it
    std::string event;                // as the stage would send it on
    std::vector<std::string> topics;  // where to
    int64_t micros = 0;
  };

  // `from`: the topic that the stage reads; null where it is not declared.
  Detector(std::unique_ptr<Chain> chain, const v1::Topic* from);

  // InvalidArgument with the reason for an event that would become a dead letter.
  // Threads: any; one event is scored at a time.
  absl::StatusOr<Answer> Detect(std::string event);

 private:
  // The event as a record of the topic, with the key that ingest would have given it.
  Record ToRecord(std::string_view event, std::string* key) const;

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
  static absl::StatusOr<std::unique_ptr<DetectorServer>> Start(const runtime::StageContext& context,
                                                               Detector* detector);
  virtual ~DetectorServer() = default;
  virtual uint16_t http_port() const = 0;
  virtual uint16_t grpc_port() const = 0;
};

}  // namespace levada::scoring
