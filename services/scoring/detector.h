#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
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

  explicit Detector(std::unique_ptr<Chain> chain) : chain_(std::move(chain)) {}

  // InvalidArgument with the reason for an event that would become a dead letter.
  // Threads: any; one event is scored at a time.
  absl::StatusOr<Answer> Detect(std::string event);

 private:
  std::mutex mutex_;
  std::unique_ptr<Chain> chain_;
  OutputBatch output_;
};

// REST `POST <path>` and gRPC levada.v1.Detector in front of it. Stops when destroyed, after the
// requests under way.
class DetectorServer {
 public:
  static absl::StatusOr<std::unique_ptr<DetectorServer>> Start(const runtime::StageContext& context,
                                                               Detector* detector);
  virtual ~DetectorServer() = default;
};

}  // namespace levada::scoring
