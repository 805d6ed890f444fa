#include "core/base/units.h"
#include "services/scoring/keys.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Entries of a table that are looked at a batch event, whether they have expired.
constexpr size_t kSweep = 4;

// A key's state: event time of the event that was kept last.
struct Kept {
  int64_t time_us;
};

class DedupState : public StepState {
 public:
  using StepState::StepState;
  bool Valid(std::string_view value) const override { return value.size() == sizeof(Kept); }
};

// Drops events whose key was seen a short time before. An event is forgotten when the newest event
// of its partition is more than `within` later: the newest time follows from the events alone, so
// that when entries are really erased makes no difference.
class Dedup : public Step {
 public:
  Dedup(KeyMaker by, int64_t within_us, int index)
      : by_(std::move(by)), within_us_(within_us), index_(index) {}

  std::string_view kind() const override { return "dedup"; }
  int KeyField() const override { return by_.field(); }
  const StateTable* KeyTable(const Partition& partition) const override {
    return partition.steps[index_]->FindTable();
  }

  Verdict Apply(Event& event) override {
    std::string_view key;
    if (!by_.Key(event.activation, &key)) {
      event.error = key;
      return Verdict::kFail;
    }
    StepState& state = *event.partition->steps[index_];
    StateTable& table = state.table();
    const uint64_t hash = StateTable::Hash(key);
    StateTable::Entry* entry = table.Find(key, hash);
    const bool live = entry != nullptr && !Forgotten(*entry, event.newest_us);
    if (live && event.time_us >= entry->As<Kept>()->time_us - within_us_) return Verdict::kDrop;
    if (event.look) return Verdict::kKeep;
    if (entry == nullptr) {
      entry = table.Add(key, hash, sizeof(Kept));
      entry->As<Kept>()->time_us = event.time_us;
    } else {
      Kept& kept = *entry->As<Kept>();
      kept.time_us = live ? std::max(kept.time_us, event.time_us) : event.time_us;
      table.Touch(entry);
    }
    table.Sweep(kSweep, state.forgotten(),
                [&](StateTable::Entry& old) { return Forgotten(old, event.newest_us); });
    return Verdict::kKeep;
  }

 private:
  bool Forgotten(StateTable::Entry& entry, int64_t newest_us) const {
    return newest_us - entry.As<Kept>()->time_us > within_us_;
  }

  KeyMaker by_;
  const int64_t within_us_;
  const int index_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeDedup(const StepContext& context) {
  const v1::Dedup& config = context.step.dedup();
  auto by = KeyMaker::Make(&context.env, "dedup by", config.by());
  if (!by.ok()) return by.status();
  const auto within = base::ParseDuration(config.within());
  if (!within.ok()) return within.status();
  const auto index =
      context.state.AddStep(context.name, base::StrCat("dedup/1 ", by->signature()),
                            [](Slab* slab) { return std::make_unique<DedupState>(slab); });
  if (!index.ok()) return index.status();
  return std::make_unique<Dedup>(*std::move(by), within->count() * 1000, *index);
}

}  // namespace levada::scoring
