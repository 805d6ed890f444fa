#include "services/scoring/reload_probe.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::scoring {

ReloadProbe::ReloadProbe(prometheus::Registry& registry,
                         const std::map<std::string, std::string>& labels, const std::string& kind,
                         const std::string& as)
    : kind_(kind), as_(as) {
  auto& family = prometheus::BuildCounter()
                     .Name(base::StrCat("levada_scoring_", kind, "_reloads_total"))
                     .Help("Changed files that were loaded, or could not be")
                     .Labels(labels)
                     .Register(registry);
  loaded_ = &family.Add({{"as", as}, {"result", "loaded"}});
  failed_ = &family.Add({{"as", as}, {"result", "failed"}});
}

void ReloadProbe::operator()(const absl::Status& status) const {
  (status.ok() ? loaded_ : failed_)->Increment();
  if (status.ok()) {
    base::LogInfo("a changed file is in use", {{"step", kind_}, {"as", as_}});
  } else {
    base::LogError("a changed file cannot be used, the one before stays",
                   {{"step", kind_}, {"as", as_}, {"error", status.message()}});
  }
}

}  // namespace levada::scoring
