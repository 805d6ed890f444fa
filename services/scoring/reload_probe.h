#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

// A changed file of a step was loaded, or could not be: counted and logged.
//
//   ReloadProbe probe(context.registry, context.Labels(), "model", "score");
//   probe(status);
//
// Thread-safety: may be called from several threads.
namespace levada::scoring {

class ReloadProbe {
 public:
  // `kind` of step: "model" or "lookup"; `as`: the field that it adds.
  ReloadProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels,
              const std::string& kind, const std::string& as);

  void operator()(const absl::Status& status) const;

 private:
  std::string kind_;
  std::string as_;
  prometheus::Counter* loaded_;
  prometheus::Counter* failed_;
};

}  // namespace levada::scoring
