#include "core/runtime/snapshots_of.h"

#include <chrono>

#include "core/base/log.h"
#include "core/runtime/record_limits.h"

namespace levada::runtime {

SnapshotsOf::SnapshotsOf(const Worker& worker, const Stateful* state) : worker_(worker) {
  if (state == nullptr || state->changelog().empty()) return;
  changelog_ = state->changelog();
  probe_.emplace(worker.context.registry, worker.context.Labels());
}

SnapshotsOf::~SnapshotsOf() {
  // The last ones may be large.
  while (snapshots_ && !snapshots_->AwaitIdle(std::chrono::seconds(1))) worker_.control.Beat();
}

absl::StatusOr<Snapshots*> SnapshotsOf::Get() {
  if (changelog_.empty() || worker_.context.state_dir.empty() || opened_) return snapshots_.get();
  const auto kept = TombstonesKept(worker_.kafka, changelog_);
  if (!kept.ok()) return kept.status();
  opened_ = true;
  if (!*kept) {
    base::LogWarn("no snapshots of the state: it is not known how long tombstones stay",
                  {{"topic", changelog_}, {"missing", "delete.retention.ms"}});
    return nullptr;
  }
  snapshots_ =
      Snapshots::Open({worker_.context.state_dir + "/snapshots", changelog_, **kept / 2}, &*probe_);
  return snapshots_.get();
}

}  // namespace levada::runtime
