#include "core/anomaly/detector.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/strings.h"

namespace levada::anomaly {
namespace {

constexpr uint8_t kVersion = 1;
constexpr double kMost = 1e30;        // of an input
constexpr double kMostScaled = 1e15;  // of what the forest sees

bool HasForest(Kind kind) { return kind == Kind::kCombined || kind == Kind::kForest; }
bool HasViews(Kind kind) { return kind != Kind::kForest; }

ForestSettings ForestOf(const Settings& settings) {
  return {.dimensions = settings.dimensions,
          .shingle = settings.shingle,
          .trees = settings.trees,
          .samples = settings.samples,
          .time_decay = settings.time_decay,
          .seed = settings.seed};
}

Views::Settings ViewsOf(const Settings& settings) {
  return {.window = settings.window,
          .memory = settings.memory,
          .centroids = settings.centroids,
          .season_ms = settings.season.count(),
          .views = settings.views,
          .season_only = settings.kind == Kind::kSeasonal};
}

absl::Status CheckRange(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      base::StrCat(name, " is ", value, ", but should be ", least, " to ", most));
}

}  // namespace

// Where the Numenta benchmark's standard profile has its plateau, see docs/anomaly.md.
double DefaultThreshold(Kind kind) {
  switch (kind) {
    case Kind::kCombined:
      return 2.3;
    case Kind::kForest:
      return 2.0;
    case Kind::kDigest:
    case Kind::kSeasonal:
      return 3.5;
  }
  return 3.5;
}

absl::Status Check(const Settings& settings) {
  absl::Status status = CheckRange("dimensions", settings.dimensions, 1, 1024);
  if (HasForest(settings.kind)) status.Update(Check(ForestOf(settings)));
  status.Update(CheckRange("window", settings.window, 1, 10'000));
  status.Update(CheckRange("memory", settings.memory, 64, 1'000'000'000));
  status.Update(CheckRange("centroids", settings.centroids, 8, 4096));
  status.Update(CheckRange("season", settings.season.count(), 0, int64_t{366} * 86'400'000));
  status.Update(CheckRange("quiet", settings.quiet, 0, 1'000'000'000));
  status.Update(CheckRange("warm-up", settings.warm_up, 0, 1'000'000'000));
  status.Update(CheckRange("views", settings.views, 1, kAllViews));
  if (!(settings.threshold >= 0 && settings.threshold <= 100)) {
    status.Update(absl::InvalidArgumentError("threshold should be 0 to 100"));
  }
  if (settings.kind == Kind::kSeasonal && settings.season.count() == 0) {
    status.Update(absl::InvalidArgumentError("a seasonal detector needs a season"));
  }
  return status;
}

absl::StatusOr<Detector> Detector::Make(const Settings& settings) {
  if (auto s = Check(settings); !s.ok()) return s;
  Detector detector(settings);
  if (HasForest(settings.kind)) {
    auto forest = Forest::Make(ForestOf(settings));
    if (!forest.ok()) return forest.status();
    detector.forest_ = *std::move(forest);
  }
  return detector;
}

Detector::Detector(const Settings& settings) : settings_(settings) {
  const auto dimensions = static_cast<size_t>(settings.dimensions);
  scales_.resize(dimensions);
  if (HasViews(settings.kind)) views_.assign(dimensions, Views(ViewsOf(settings)));
  for (auto* each : {&row_, &expected_, &high_, &low_}) each->resize(dimensions);
  missing_.resize(dimensions);
  surprises_.resize(dimensions);
  if (HasForest(settings.kind)) {
    const size_t size = dimensions * static_cast<size_t>(settings.shingle);
    scaled_.resize(dimensions);
    point_.resize(size);
    unknown_.resize(size);
    forest_high_.resize(size);
    forest_low_.resize(size);
  }
}

double Detector::Scaled(size_t dimension) const {
  // Alone, a dimension needs no unit; its cuts are the same in any.
  const Scale& scale = scales_[dimension];
  const double distance = row_[dimension] - scale.mean;
  if (settings_.dimensions == 1) return std::clamp(distance, -kMost, kMost);
  const double scaled = scale.deviation > 0 ? distance / scale.deviation : distance;
  return std::clamp(scaled, -kMostScaled, kMostScaled);
}

double Detector::Unscaled(size_t dimension, double value) const {
  const Scale& scale = scales_[dimension];
  const bool unit = settings_.dimensions == 1 || scale.deviation <= 0;
  return scale.mean + (unit ? value : value * scale.deviation);
}

void Detector::Learn(Scale& scale, double value) const {
  if (rows_ == 0) scale.mean = value;
  if (settings_.dimensions == 1) return;
  const double share =
      std::max(1.0 / static_cast<double>(rows_ + 1), 1.0 / static_cast<double>(settings_.memory));
  const double distance = value - scale.mean;
  scale.mean += share * distance;
  scale.deviation += share * (std::fabs(distance) - scale.deviation);
}

// What is missing is as the forest expects it after the rows before, or as the views do.
void Detector::FillIn(std::span<const double> values, int64_t time_ms) {
  bool any = false;
  for (size_t i = 0; i < row_.size(); ++i) {
    missing_[i] = std::isnan(values[i]);
    any = any || missing_[i];
    row_[i] = missing_[i] ? scales_[i].mean : std::clamp(values[i], -kMost, kMost);
    if (missing_[i] && !views_.empty()) row_[i] = views_[i].Expected(time_ms);
  }
  if (!any || !forest_ || forest_->newest().empty()) return;
  const size_t dimensions = row_.size();
  const std::span<const float> newest = forest_->newest();
  std::copy(newest.begin() + static_cast<ptrdiff_t>(dimensions), newest.end(), point_.begin());
  std::fill(unknown_.begin(), unknown_.end(), uint8_t{0});
  const size_t last = point_.size() - dimensions;
  for (size_t i = 0; i < dimensions; ++i) {
    point_[last + i] = static_cast<float>(Scaled(i));
    unknown_[last + i] = missing_[i];
  }
  forest_->Impute(point_, unknown_);
  for (size_t i = 0; i < dimensions; ++i) {
    if (missing_[i]) row_[i] = Unscaled(i, double{point_[last + i]});
  }
}

const Result& Detector::Look(std::span<const double> values, int64_t time_ms, bool explain,
                             bool learn) {
  result_ = Result();
  FillIn(values, time_ms);
  double seen = 0;
  double present = 0;
  for (size_t i = 0; i < row_.size(); ++i) {
    surprises_[i] = {};
    expected_[i] = row_[i];
    if (missing_[i]) continue;
    present += 1;
    if (views_.empty()) continue;
    // What is expected has to be asked before it is learned.
    expected_[i] = views_[i].Expected(time_ms);
    surprises_[i] =
        learn ? views_[i].Update(row_[i], time_ms) : Views(views_[i]).Update(row_[i], time_ms);
    seen = std::max(seen, surprises_[i].score);
  }
  result_.score = seen;
  if (forest_) {
    const double unlike = Unlike(learn);
    result_.score = settings_.kind == Kind::kForest ? unlike : (seen + unlike) / 2;
  }
  const auto rows = static_cast<double>(rows_ + 1);
  result_.confidence =
      rows / (rows + settings_.warm_up) * present / static_cast<double>(row_.size());
  Grade(learn);
  if (result_.anomaly || explain) Explain();
  if (learn) ++rows_;
  return result_;
}

// The forest's score of the row; `point_` becomes its shingle, if there is one.
double Detector::Unlike(bool learn) {
  const size_t dimensions = row_.size();
  for (size_t i = 0; i < dimensions; ++i) {
    // The first row is where a dimension's numbers are counted from.
    const Scale before = scales_[i];
    if (rows_ == 0) Learn(scales_[i], row_[i]);
    scaled_[i] = static_cast<float>(Scaled(i));
    if (learn && rows_ > 0 && !missing_[i]) Learn(scales_[i], row_[i]);
    if (!learn) scales_[i] = before;
  }
  if (learn) {
    const double score = forest_->Update(scaled_);
    const std::span<const float> newest = forest_->newest();
    std::copy(newest.begin(), newest.end(), point_.begin());
    return score;
  }
  const std::span<const float> newest = forest_->newest();
  if (newest.empty()) return 0;
  std::copy(newest.begin() + static_cast<ptrdiff_t>(dimensions), newest.end(), point_.begin());
  std::copy(scaled_.begin(), scaled_.end(), point_.end() - static_cast<ptrdiff_t>(dimensions));
  return forest_->Score(point_);
}

void Detector::Grade(bool learn) {
  const uint64_t age = age_ + 1;
  if (learn) age_ = age;
  if (rows_ < static_cast<uint64_t>(settings_.warm_up)) return;
  if (result_.score <= held_ && age <= static_cast<uint64_t>(settings_.quiet)) return;
  if (learn) {
    held_ = result_.score;
    age_ = 0;
  }
  const double threshold =
      settings_.threshold > 0 ? settings_.threshold : DefaultThreshold(settings_.kind);
  result_.grade = 1 - std::exp2(-result_.score / threshold);
  result_.anomaly = result_.score >= threshold;
}

void Detector::Explain() {
  const size_t dimensions = row_.size();
  std::fill(high_.begin(), high_.end(), 0.0);
  std::fill(low_.begin(), low_.end(), 0.0);
  for (size_t i = 0; i < dimensions; ++i) {
    const Views::Surprise& surprise = surprises_[i];
    (surprise.high ? high_ : low_)[i] += surprise.score;
  }
  if (forest_ && !forest_->newest().empty()) {
    forest_->Attribute(point_, forest_high_, forest_low_);
    for (size_t i = 0; i < point_.size(); ++i) {
      high_[i % dimensions] += forest_high_[i];
      low_[i % dimensions] += forest_low_[i];
    }
    const size_t last = point_.size() - dimensions;
    std::fill(unknown_.begin(), unknown_.end(), uint8_t{0});
    std::fill(unknown_.begin() + static_cast<ptrdiff_t>(last), unknown_.end(), uint8_t{1});
    forest_->Impute(point_, unknown_);
    for (size_t i = 0; i < dimensions; ++i) {
      expected_[i] = Unscaled(i, double{point_[last + i]});
    }
  }
  double sum = 0;
  for (size_t i = 0; i < dimensions; ++i) sum += high_[i] + low_[i];
  for (size_t i = 0; i < dimensions && sum > 0; ++i) {
    high_[i] *= result_.score / sum;
    low_[i] *= result_.score / sum;
  }
  result_.expected = expected_;
  result_.high = high_;
  result_.low = low_;
}

void Detector::Serialize(std::string* out) const {
  ByteWriter to(out);
  to.Raw(&kVersion, 1);
  const auto number = [&to](int64_t value) { to.Number(static_cast<uint64_t>(value)); };
  number(static_cast<int64_t>(settings_.kind));
  number(settings_.dimensions);
  number(settings_.shingle);
  number(settings_.trees);
  number(settings_.samples);
  to.Double(settings_.time_decay);
  number(settings_.window);
  number(settings_.memory);
  number(settings_.centroids);
  number(settings_.season.count());
  number(settings_.views);
  to.Double(settings_.threshold);
  number(settings_.quiet);
  number(settings_.warm_up);
  to.Fixed64(settings_.seed);
  to.Number(rows_);
  to.Double(held_);
  to.Number(std::min<uint64_t>(age_, uint64_t{1} << 40));
  for (const Scale& scale : scales_) {
    to.Double(scale.mean);
    to.Double(scale.deviation);
  }
  for (const Views& views : views_) views.Serialize(to);
  if (forest_) forest_->Serialize(to);
}

absl::StatusOr<Detector> Detector::Parse(std::string_view bytes) {
  const absl::Status bad = absl::DataLossError("not the state of an anomaly detector");
  ByteReader in(bytes);
  uint8_t version = 0;
  in.Raw(&version, 1);
  if (version != kVersion) return bad;
  constexpr uint64_t kInt = 0x7FFFFFFF;
  const auto integer = [&in] { return static_cast<int>(in.Number(kInt)); };
  Settings settings;
  settings.kind = static_cast<Kind>(in.Number(static_cast<uint64_t>(Kind::kSeasonal)));
  settings.dimensions = integer();
  settings.shingle = integer();
  settings.trees = integer();
  settings.samples = integer();
  settings.time_decay = in.Double();
  settings.window = integer();
  settings.memory = integer();
  settings.centroids = integer();
  settings.season = std::chrono::milliseconds(in.Number(uint64_t{1} << 50));
  settings.views = static_cast<uint8_t>(in.Number(kAllViews));
  settings.threshold = in.Double();
  settings.quiet = integer();
  settings.warm_up = integer();
  settings.seed = in.Fixed64();
  if (!in.ok()) return bad;
  auto detector = Make(settings);
  if (!detector.ok()) return bad;
  detector->rows_ = in.Number(uint64_t{1} << 62);
  detector->held_ = in.Double();
  detector->age_ = in.Number(uint64_t{1} << 40);
  for (Scale& scale : detector->scales_) {
    scale.mean = in.Double(kMost);
    scale.deviation = in.Double();
    if (scale.deviation < 0) in.Fail();
  }
  for (Views& views : detector->views_) views.Parse(in);
  if (detector->forest_ && in.ok()) {
    auto forest = Forest::Parse(ForestOf(settings), in);
    if (!forest.ok()) return bad;
    detector->forest_ = *std::move(forest);
  }
  if (!in.done()) return bad;
  return detector;
}

size_t Detector::ByteSize() const {
  size_t bytes = sizeof(*this) + scales_.capacity() * sizeof(Scale) +
                 surprises_.capacity() * sizeof(Views::Surprise) + missing_.capacity() +
                 unknown_.capacity() + (scaled_.capacity() + point_.capacity()) * sizeof(float);
  for (const auto* each : {&row_, &forest_high_, &forest_low_, &expected_, &high_, &low_}) {
    bytes += each->capacity() * sizeof(double);
  }
  for (const Views& views : views_) bytes += views.ByteSize();
  if (forest_) bytes += forest_->ByteSize();
  return bytes;
}

}  // namespace levada::anomaly
