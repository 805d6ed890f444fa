#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "core/runtime/status.h"

namespace prometheus {
class Registry;
}

// What every worker answers besides its work:
//   HTTP  GET /metrics   Prometheus text
//         GET /healthz   200 while the loop goes round, else 503 (it is about to end itself)
//         GET /readyz    200 while it takes work, else 503 with what it waits for
//         GET /status    JSON: what Control's GetStatus answers
//   gRPC  levada.v1.Control, grpc.health.v1.Health, server reflection
namespace levada::runtime {

class Endpoints {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    uint16_t http_port = 0;  // 0: any free one
    uint16_t grpc_port = 0;
  };

  static absl::StatusOr<std::unique_ptr<Endpoints>> Start(const Options& options,
                                                          const Identity& identity,
                                                          prometheus::Registry* registry,
                                                          Control* control, StageMetrics* metrics);
  virtual ~Endpoints() = default;
  virtual uint16_t http_port() const = 0;
  virtual uint16_t grpc_port() const = 0;
};

}  // namespace levada::runtime
