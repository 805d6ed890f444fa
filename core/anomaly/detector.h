#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/anomaly/forest.h"
#include "core/anomaly/views.h"

// Says of each row of a stream how unusual it is, after what it has seen of that stream before. One
// detector a key; all that it knows is a few kilobytes (without a forest) that it writes and reads.
//
//   auto detector = Detector::Make({.dimensions = 2});
//   const double row[] = {12.5, std::nan("")};               // NaN: missing
//   const Result& result = detector->Update(row, time_ms);
//   if (result.grade >= 0.5) …                               // an anomaly
//   std::string bytes;
//   detector->Serialize(&bytes);
//   auto again = Detector::Parse(bytes);                     // goes on bit for bit the same
//
// Update allocates nothing once buffers have grown to their size, which ByteSize() tells. Peek is
// for who asks what a row would be without it being one.
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

enum class Kind : uint8_t {
  kCombined,  // the mean of a forest and of digests, see views.h: the default
  kForest,    // a random cut forest over shingles
  kDigest,    // digests only: a hundredth of the memory and of the time
  kSeasonal,  // distances from what is usual at this time of the day and the week
};

struct Settings {
  Kind kind = Kind::kCombined;
  int dimensions = 1;  // numbers a row

  // The forest.
  int shingle = 8;
  int trees = 50;
  int samples = 256;
  double time_decay = 0;  // 0: 0.1 / samples

  // The digests.
  int window = 48;      // rows that activity and the distance from the season are averaged over
  int memory = 10'000;  // rows after which what was seen once is forgotten
  int centroids = 64;
  std::chrono::milliseconds season = std::chrono::hours(24);  // 0: none
  uint8_t views = kAllViews;  // which are looked at: bits of Views::View

  // What is an anomaly.
  double threshold = 0;  // the score with the grade 0.5; 0: DefaultThreshold(kind)
  int quiet = 100;       // rows after an anomaly in which only a higher score is another
  int warm_up = 150;     // rows without a grade at the start

  uint64_t seed = 1;

  bool operator==(const Settings&) const = default;
};

double DefaultThreshold(Kind kind);
absl::Status Check(const Settings& settings);

struct Result {
  // How unusual the row is: about 1 for the usual.
  double score = 0;
  // 0 to 1. 1 − 2^(−score / threshold), so 0.5 and more is an anomaly; 0 in the warm-up, and while
  // a higher score is not long ago.
  double grade = 0;
  // 0 to 1: how much the detector had seen, and how much of the row was there.
  double confidence = 0;
  bool anomaly = false;
  // By dimension: what was to be expected here, and how much of the score is due to too high and to
  // too low a value. Only for anomalies, or with Update's `explain`; otherwise empty. Good until
  // the next Update.
  std::span<const double> expected;
  std::span<const double> high;
  std::span<const double> low;
};

class Detector {
 public:
  static absl::StatusOr<Detector> Make(const Settings& settings);

  const Settings& settings() const { return settings_; }
  uint64_t rows() const { return rows_; }

  // `values` has a number for each dimension, NaN where it is missing: what is expected stands in,
  // and says nothing itself. Beyond ±1e30 they are cut. `time_ms` since 1970.
  const Result& Update(std::span<const double> values, int64_t time_ms, bool explain = false) {
    return Look(values, time_ms, explain, true);
  }
  // What Update would give, nothing learned: the state stays as it is. Allocates.
  const Result& Peek(std::span<const double> values, int64_t time_ms, bool explain = false) {
    return Look(values, time_ms, explain, false);
  }

  // state    := version:1 byte settings rows:number held:double age:number
  //             scale*(dimensions) views*(dimensions) forest
  // settings := kind:number dimensions:number shingle:number trees:number samples:number
  //             time_decay:double window:number memory:number centroids:number season_ms:number
  //             views:number threshold:double quiet:number warm_up:number seed:8 bytes
  // scale    := mean:double deviation:double
  // Views and the forest stand there if the kind has them; see views.h, forest.h, bytes.h.
  void Serialize(std::string* out) const;
  static absl::StatusOr<Detector> Parse(std::string_view bytes);

  size_t ByteSize() const;

 private:
  // Makes numbers of different units comparable for the forest.
  struct Scale {
    double mean = 0;
    double deviation = 0;  // mean absolute
  };

  explicit Detector(const Settings& settings);
  const Result& Look(std::span<const double> values, int64_t time_ms, bool explain, bool learn);
  double Unlike(bool learn);
  void FillIn(std::span<const double> values, int64_t time_ms);
  double Scaled(size_t dimension) const;
  double Unscaled(size_t dimension, double value) const;
  void Learn(Scale& scale, double value) const;
  void Grade(bool learn);
  void Explain();

  Settings settings_;
  uint64_t rows_ = 0;
  double held_ = 0;   // the highest score of late
  uint64_t age_ = 0;  // rows since then
  std::vector<Scale> scales_;
  std::vector<Views> views_;
  std::optional<Forest> forest_;

  // Of the row that is updated.
  Result result_;
  std::vector<double> row_;
  std::vector<uint8_t> missing_;
  std::vector<Views::Surprise> surprises_;
  std::vector<float> scaled_;
  std::vector<float> point_;
  std::vector<uint8_t> unknown_;
  std::vector<double> forest_high_;
  std::vector<double> forest_low_;
  std::vector<double> expected_;
  std::vector<double> high_;
  std::vector<double> low_;
};

}  // namespace levada::anomaly
