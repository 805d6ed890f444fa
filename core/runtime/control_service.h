#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/runtime/endpoints.h"

// The gRPC side of a worker's endpoints. Apart from endpoints.cc because gRPC's headers are slow.
namespace levada::runtime {

class ControlServer {
 public:
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& address,
                                                              uint16_t port,
                                                              const Identity& identity,
                                                              Control* control,
                                                              StageMetrics* metrics);
  virtual ~ControlServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace levada::runtime
