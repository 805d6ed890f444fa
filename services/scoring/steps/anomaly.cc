#include <limits>
#include <list>
#include <map>

#include "core/anomaly/detector.h"
#include "core/base/units.h"
#include "core/pipeline/schema.h"
#include "services/scoring/keys.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

using anomaly::Detector;

// Detectors that are alive in a partition, before the one that was used longest ago is only bytes
// again.
constexpr size_t kMaxAliveBytes = 64 << 20;
constexpr size_t kMinAlive = 16;
constexpr size_t kSweepPerTick = 64;
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// A key's state: i64 event time of its newest event, then the detector's bytes. Detectors that are
// in use are alive; those of them that changed are written down when a checkpoint comes.
class DetectorsState : public StepState {
 public:
  DetectorsState(Slab* slab, const anomaly::Settings& settings)
      : StepState(slab), settings_(settings) {}

  bool Valid(std::string_view value) const override {
    if (value.size() < sizeof(int64_t)) return false;
    const auto detector = Detector::Parse(value.substr(sizeof(int64_t)));
    return detector.ok() && detector->settings() == settings_;
  }

  struct Alive {
    Detector detector;
    int64_t newest_us = kNoTime;
    bool changed = false;
    std::list<std::string_view>::iterator used{};  // the key, in used_
  };

  // The detector of a key, a new one where there is none.
  Alive& Get(std::string_view key) {
    const auto found = alive_.find(key);
    if (found != alive_.end()) {
      used_.splice(used_.begin(), used_, found->second->used);
      return *found->second;
    }
    auto alive = std::make_unique<Alive>(Alive{*Detector::Make(settings_)});
    StateTable::Entry* const entry = table().Find(key, StateTable::Hash(key));
    if (entry != nullptr) {
      std::memcpy(&alive->newest_us, entry->data(), sizeof(int64_t));
      alive->detector = *Detector::Parse(entry->value().substr(sizeof(int64_t)));
    }
    bytes_each_ = std::max(bytes_each_, alive->detector.ByteSize());
    while (alive_.size() >= kMinAlive && (alive_.size() + 1) * bytes_each_ > kMaxAliveBytes) {
      WriteDown(alive_.find(used_.back()));
      Bury();
    }
    const auto added = alive_.emplace(std::string(key), std::move(alive)).first;
    used_.push_front(added->first);
    added->second->used = used_.begin();
    return *added->second;
  }

  void BeforeCheckpoint() override {
    for (auto each = alive_.begin(); each != alive_.end(); ++each) WriteDown(each);
  }

  // Forgets keys that had no event since then.
  void Expire(int64_t since_us) {
    table().Sweep(kSweepPerTick, forgotten(), [&](StateTable::Entry& entry) {
      const auto alive = alive_.find(entry.key());
      int64_t newest_us = 0;
      std::memcpy(&newest_us, entry.data(), sizeof newest_us);
      if (alive != alive_.end()) newest_us = alive->second->newest_us;
      if (newest_us >= since_us) return false;
      if (alive != alive_.end()) {
        used_.erase(alive->second->used);
        alive_.erase(alive);
      }
      return true;
    });
  }

 private:
  // Keys do not move: used_ refers to them.
  using Map = std::map<std::string, std::unique_ptr<Alive>, std::less<>>;

  void WriteDown(Map::iterator each) {
    Alive& alive = *each->second;
    if (!alive.changed) return;
    alive.changed = false;
    bytes_.assign(reinterpret_cast<const char*>(&alive.newest_us), sizeof alive.newest_us);
    alive.detector.Serialize(&bytes_);
    const uint64_t hash = StateTable::Hash(each->first);
    StateTable::Entry* entry = table().Find(each->first, hash);
    const auto size = static_cast<uint32_t>(bytes_.size());
    entry = entry == nullptr ? table().Add(each->first, hash, size) : table().Resize(entry, size);
    std::memcpy(entry->data(), bytes_.data(), bytes_.size());
    table().Touch(entry);
  }
  // Of the one that was used longest ago, only its bytes are kept.
  void Bury() {
    const auto found = alive_.find(used_.back());
    used_.pop_back();
    alive_.erase(found);
  }

  const anomaly::Settings settings_;
  Map alive_;
  std::list<std::string_view> used_;  // keys, the newest first
  size_t bytes_each_ = 0;
  std::string bytes_;
};

// Where the results go.
struct Slots {
  int score = -1;
  int grade = -1;
  int confidence = -1;
  int expected = -1;
  int attribution = -1;
};

// Says of each event how unusual its values are for its key, and learns from it.
class AnomalyStep : public Step {
 public:
  AnomalyStep(KeyMaker by, std::vector<expr::Program> values, const Slots& slots, int64_t ttl_us,
              int segment)
      : by_(std::move(by)),
        values_(std::move(values)),
        slots_(slots),
        ttl_us_(ttl_us),
        segment_(segment),
        row_(values_.size()) {}

  std::string_view kind() const override { return "anomaly"; }
  void set_index(int index) { index_ = index; }

  Verdict Apply(Event& event) override {
    std::string_view key;
    if (!by_.Key(event.activation, &key)) {
      event.error = key;
      return Verdict::kFail;
    }
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!Read(event, i)) return Verdict::kFail;
    }
    auto& state = static_cast<DetectorsState&>(*event.partition->steps[index_]);
    DetectorsState::Alive& alive = state.Get(key);
    const int64_t time_ms = event.time_us / 1000;
    if (event.look) {
      Set(event, alive.detector.Peek(row_, time_ms));
      return Verdict::kKeep;
    }
    alive.newest_us = std::max(alive.newest_us, event.time_us);
    alive.changed = true;
    Set(event, alive.detector.Update(row_, time_ms));
    return Verdict::kKeep;
  }

  void Tick(Partition& partition, int64_t) override {
    const int64_t newest_us = partition.clocks[segment_].newest_us;
    if (ttl_us_ == 0 || newest_us == kNoTime) return;
    static_cast<DetectorsState&>(*partition.steps[index_]).Expire(newest_us - ttl_us_);
  }

 private:
  bool Read(Event& event, size_t i) {
    const int field = values_[i].copied_field();
    if (field >= 0 && event.activation.RawField(field).kind == json::Kind::kAbsent) {
      row_[i] = kMissing;
      return true;
    }
    const expr::Value value = values_[i].Eval(event.activation);
    switch (value.kind()) {
      case expr::Kind::kDouble:
        row_[i] = value.real();
        return true;
      case expr::Kind::kInt:
        row_[i] = static_cast<double>(value.integer());
        return true;
      case expr::Kind::kUint:
        row_[i] = static_cast<double>(value.unsigned_integer());
        return true;
      case expr::Kind::kBool:
        row_[i] = value.boolean() ? 1 : 0;
        return true;
      case expr::Kind::kNull:
      case expr::Kind::kNone:
        row_[i] = kMissing;
        return true;
      default:
        error_ = base::StrCat(
            "value `", values_[i].source(), "`: ",
            value.ok() ? base::StrCat("a number is expected, not ", expr::KindName(value.kind()))
                       : std::string(value.text()));
        event.error = error_;
        return false;
    }
  }

  void Set(Event& event, const anomaly::Result& result) {
    expr::Activation& activation = event.activation;
    activation.Set(slots_.score, expr::Value::Double(result.score));
    activation.Set(slots_.grade, expr::Value::Double(result.grade));
    activation.Set(slots_.confidence, expr::Value::Double(result.confidence));
    const size_t count = result.expected.size();
    auto* const expected = activation.arena().Array<expr::Value>(count);
    auto* const attribution = activation.arena().Array<expr::Value>(count);
    for (size_t i = 0; i < count; ++i) {
      expected[i] = expr::Value::Double(result.expected[i]);
      attribution[i] = expr::Value::Double(result.high[i] - result.low[i]);
    }
    activation.Set(slots_.expected, expr::Value::List(expected, count));
    activation.Set(slots_.attribution, expr::Value::List(attribution, count));
  }

  KeyMaker by_;
  std::vector<expr::Program> values_;
  const Slots slots_;
  const int64_t ttl_us_;
  const int segment_;
  std::vector<double> row_;
  std::string error_;
  int index_ = -1;
};

absl::StatusOr<anomaly::Settings> SettingsOf(const v1::Anomaly& config) {
  anomaly::Settings settings;
  settings.dimensions = config.values_size();
  switch (config.method()) {
    case v1::ANOMALY_METHOD_FOREST:
      settings.kind = anomaly::Kind::kForest;
      break;
    case v1::ANOMALY_METHOD_SEASONAL:
      settings.kind = anomaly::Kind::kSeasonal;
      break;
    case v1::ANOMALY_METHOD_COMBINED:
      settings.kind = anomaly::Kind::kCombined;
      break;
    default:
      settings.kind = anomaly::Kind::kDigest;
  }
  settings.shingle = static_cast<int>(config.shingle());
  settings.trees = static_cast<int>(config.trees());
  settings.samples = static_cast<int>(config.samples());
  const auto season = base::ParseDuration(config.season());
  if (!season.ok()) return season.status();
  settings.season = *season;
  settings.seed = config.seed();
  if (absl::Status status = anomaly::Check(settings); !status.ok()) return status;
  return settings;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeAnomaly(const StepContext& context) {
  const v1::Anomaly& config = context.step.anomaly();
  const auto settings = SettingsOf(config);
  if (!settings.ok()) return settings.status();
  auto by = KeyMaker::Make(&context.env, "anomaly by", config.by());
  if (!by.ok()) return by.status();
  std::vector<expr::Program> values;
  // What another setting would have learnt is of no use.
  std::string layout = base::StrCat("anomaly/1\n", by->signature());
  anomaly::Detector::Make(*settings)->Serialize(&layout);
  for (const std::string& source : config.values()) {
    auto value = CompileFor(context, "anomaly value", source, expr::Type::Dyn());
    if (!value.ok()) return value.status();
    base::StrAppend(&layout, "\n", source);
    values.push_back(*std::move(value));
  }
  int64_t ttl_us = 0;
  const std::string& ttl = context.stage.stage.scoring().state().ttl();
  if (!ttl.empty()) {
    const auto length = base::ParseDuration(ttl);
    if (!length.ok()) return length.status();
    ttl_us = length->count() * 1000;
  }
  const auto index =
      context.state.AddStep(context.name, layout, [settings = *settings](Slab* slab) {
        return std::make_unique<DetectorsState>(slab, settings);
      });
  if (!index.ok()) return index.status();

  Slots slots;
  const auto declare = [&](std::string_view end, expr::Type type) {
    return context.env.DeclareSlot(base::StrCat(config.as(), end), type);
  };
  slots.score = declare("_score", pipeline::AnomalyNumberType());
  slots.grade = declare("_grade", pipeline::AnomalyNumberType());
  slots.confidence = declare("_confidence", pipeline::AnomalyNumberType());
  slots.expected = declare("_expected", pipeline::AnomalyNumbersType());
  slots.attribution = declare("_attribution", pipeline::AnomalyNumbersType());
  auto step = std::make_unique<AnomalyStep>(*std::move(by), std::move(values), slots, ttl_us,
                                            context.segment);
  step->set_index(*index);
  return step;
}

}  // namespace levada::scoring
