#pragma once

#include <memory>
#include <optional>
#include <string>

#include "levada/v1/services.pb.h"

namespace levada::cli {

// "running", or what it waits for, for people.
std::string StateText(const v1::StageStatus& status);

// Asks one worker how it is, and tells it to pause. Threads: one.
class StatusClient {
 public:
  // `address`: host:port of the worker's control service.
  static std::unique_ptr<StatusClient> Connect(const std::string& address);
  virtual ~StatusClient() = default;
  // Nothing, if it does not answer within 300 ms.
  virtual std::optional<v1::StageStatus> Get() = 0;
  // False, if it does not answer within 2 s.
  virtual bool SetPaused(bool paused) = 0;
};

}  // namespace levada::cli
