#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/units.h"
#include "services/scoring/keys.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Entries of a table that are looked at a batch event, whether they have expired.
constexpr size_t kSweep = 4;

// A key's state: the event times of the events that were kept, ascending, at least one. There is
// more than one where the partition has several sources, of which one is ahead of the others.
class Times {
 public:
  // Beyond so many the earliest is forgotten.
  static constexpr size_t kMost = 1024;

  explicit Times(std::string_view bytes)
      : first_(reinterpret_cast<const int64_t*>(bytes.data())),
        last_(first_ + bytes.size() / sizeof(int64_t)) {}

  static bool Valid(std::string_view bytes) {
    constexpr int64_t kEnd = int64_t{1} << 60;
    if (bytes.empty() || bytes.size() % sizeof(int64_t) != 0) return false;
    int64_t before = -kEnd;
    for (; !bytes.empty(); bytes.remove_prefix(sizeof(int64_t))) {
      int64_t time = 0;  // from the changelog: not aligned
      std::memcpy(&time, bytes.data(), sizeof(time));
      if (time <= before || time >= kEnd) return false;
      before = time;
    }
    return true;
  }

  const int64_t* begin() const { return first_; }
  const int64_t* end() const { return last_; }
  int64_t newest() const { return last_[-1]; }

 private:
  const int64_t* first_;
  const int64_t* last_;
};

class DedupState : public StepState {
 public:
  using StepState::StepState;
  bool Valid(std::string_view value) const override { return Times::Valid(value); }
};

// Drops events whose key has an event that was kept within a span of time. That is forgotten when
// the time of its partition is more than `within` later: that time follows from the events alone,
// so that when entries are really erased makes no difference.
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
    if (entry != nullptr && Repeats(event, Times(entry->value()))) return Verdict::kDrop;
    if (event.look) return Verdict::kKeep;
    if (!Forgotten(event.time_us, event.newest_us)) Remember(event, key, hash, entry, &table);
    table.Sweep(kSweep, state.forgotten(), [&](StateTable::Entry& old) {
      return Forgotten(Times(old.value()).newest(), event.newest_us);
    });
    return Verdict::kKeep;
  }

 private:
  bool Forgotten(int64_t time_us, int64_t newest_us) const {
    return newest_us - time_us > within_us_;
  }

  bool Repeats(const Event& event, const Times& times) const {
    const int64_t* const near =
        std::lower_bound(times.begin(), times.end(), event.time_us - within_us_);
    for (const int64_t* time = near; time != times.end(); ++time) {
      if (*time - event.time_us > within_us_) return false;
      if (!Forgotten(*time, event.newest_us)) return true;
    }
    return false;
  }

  void Remember(const Event& event, std::string_view key, uint64_t hash, StateTable::Entry* entry,
                StateTable* table) {
    times_.clear();
    if (entry != nullptr) {
      for (const int64_t time : Times(entry->value())) {
        if (!Forgotten(time, event.newest_us)) times_.push_back(time);
      }
    }
    times_.insert(std::lower_bound(times_.begin(), times_.end(), event.time_us), event.time_us);
    if (times_.size() > Times::kMost) times_.erase(times_.begin());
    const auto bytes = static_cast<uint32_t>(times_.size() * sizeof(int64_t));
    if (entry == nullptr) {
      entry = table->Add(key, hash, bytes);
    } else {
      if (entry->size() != bytes) entry = table->Resize(entry, bytes);
      table->Touch(entry);
    }
    std::memcpy(entry->data(), times_.data(), bytes);
  }

  KeyMaker by_;
  const int64_t within_us_;
  const int index_;
  std::vector<int64_t> times_;
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
