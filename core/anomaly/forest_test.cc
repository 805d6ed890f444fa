#include "core/anomaly/forest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace levada::anomaly {
namespace {

using Rows = std::vector<std::vector<float>>;

Forest MakeForest(const ForestSettings& settings) {
  auto forest = Forest::Make(settings);
  EXPECT_TRUE(forest.ok()) << forest.status();
  return *std::move(forest);
}

std::string Bytes(const Forest& forest) {
  std::string bytes;
  ByteWriter out(&bytes);
  forest.Serialize(out);
  return bytes;
}

absl::StatusOr<Forest> FromBytes(const ForestSettings& settings, const std::string& bytes) {
  ByteReader in(bytes);
  auto forest = Forest::Parse(settings, in);
  if (forest.ok() && !in.done()) return absl::DataLossError("bytes are left over");
  return forest;
}

// Two clusters at ±5, as in the paper's example.
std::vector<float> Clustered(base::Random& random) {
  const float centre = random.Unit() < 0.5 ? -5.0f : 5.0f;
  const auto noise = [&random] {
    double sum = -6;  // about normal
    for (int i = 0; i < 12; ++i) sum += random.Unit();
    return static_cast<float>(0.01 * sum);
  };
  return {centre + noise(), noise(), noise()};
}

TEST(Forest, APointBetweenClustersStandsOut) {
  Forest forest = MakeForest({.dimensions = 3, .shingle = 1, .trees = 100});
  base::Random random(1);
  double sum = 0;
  constexpr int kRows = 2000;
  for (int i = 0; i < kRows; ++i) {
    const double score = forest.Update(Clustered(random));
    if (i >= kRows / 2) sum += score;
  }
  EXPECT_LT(sum / (kRows / 2), 1.0);
  const std::vector<float> planted = {0.0158f, 0.0061f, 0.0091f};
  EXPECT_GT(forest.Update(planted), 2.5);
  for (int i = 0; i < 10; ++i) EXPECT_LT(forest.Update(Clustered(random)), 1.5);
}

TEST(Forest, PaperData) {
  std::ifstream file("../shared/data/rcf-paper.csv");
  if (!file) GTEST_SKIP() << "left out: ../shared/data/rcf-paper.csv is not there";
  Rows rows;
  for (std::string line; std::getline(file, line);) {
    std::vector<float> row(3);
    if (std::sscanf(line.c_str(), "%f,%f,%f", &row[0], &row[1], &row[2]) == 3) rows.push_back(row);
  }
  const std::vector<float> planted = {0.0158f, 0.0061f, 0.0091f};
  const auto at = std::find(rows.begin(), rows.end(), planted);
  ASSERT_NE(at, rows.end());
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Forest forest = MakeForest({.dimensions = 3, .shingle = 1, .trees = 100, .seed = seed});
    for (auto row = rows.begin(); row != rows.end(); ++row) {
      const double score = forest.Update(*row);
      const auto distance = row - at;
      if (distance == 0) {
        EXPECT_GT(score, 2.5) << seed;
      } else if (std::abs(distance) <= 3) {
        EXPECT_LT(score, 1.2) << "row " << distance << " from the planted one, seed " << seed;
      }
    }
  }
}

TEST(Forest, GoesOnBitForBitTheSame) {
  for (const ForestSettings& settings :
       {ForestSettings{.dimensions = 2, .shingle = 3, .trees = 10, .samples = 32},
        ForestSettings{.dimensions = 1, .shingle = 1, .trees = 5, .samples = 64},
        ForestSettings{.dimensions = 3, .shingle = 1, .trees = 3, .samples = 2}}) {
    Forest forest = MakeForest(settings);
    base::Random random(7);
    for (int i = 0; i < 3000; ++i) {
      // Few different numbers: equal points too.
      std::vector<float> row;
      for (int d = 0; d < settings.dimensions; ++d) {
        row.push_back(static_cast<float>(random.Below(12)));
      }
      if (i % 97 == 0) {
        const std::string bytes = Bytes(forest);
        auto other = FromBytes(settings, bytes);
        ASSERT_TRUE(other.ok()) << i << other.status();
        ASSERT_EQ(Bytes(*other), bytes);
        ASSERT_EQ(other->Update(row), forest.Update(row));
        ASSERT_EQ(Bytes(*other), Bytes(forest));
        forest = *std::move(other);
      } else {
        forest.Update(row);
      }
    }
  }
}

// In one dimension the expected depth is known, see digest.h: the mean over many trees has to be
// it.
TEST(Forest, ScoreIsTheExpectedInverseDepth) {
  Forest forest = MakeForest({.dimensions = 1, .shingle = 1, .trees = 1000, .samples = 64});
  const std::vector<float> places = {0, 1, 3, 4, 10, 11, 20};
  for (const float place : places) forest.Update({{place}});
  // Beside all others at distance d from the end of a range r, a cut parts it at once with d/(d+r);
  // with one neighbour only, always.
  const auto exact = [&](float x) {
    double mean = 0;
    std::vector<double> chances;
    double before = 0;
    for (auto place = places.rbegin(); place != places.rend(); ++place) {
      const double distance = x - *place;
      if (before > 0) chances.push_back((distance - before) / distance);
      before = distance;
    }
    // All combinations of the independent cuts.
    for (unsigned set = 0; set < 1u << chances.size(); ++set) {
      double chance = 1;
      int depth = 1;
      for (size_t i = 0; i < chances.size(); ++i) {
        const bool cut = set >> i & 1;
        chance *= cut ? chances[i] : 1 - chances[i];
        depth += cut;
      }
      mean += chance / depth;
    }
    return mean * std::log2(1.0 + static_cast<double>(places.size()));
  };
  for (const float x : {20.5f, 22.0f, 25.0f, 40.0f, 1000.0f}) {
    EXPECT_NEAR(forest.Score({{x}}), exact(x), 0.03) << x;
  }
}

TEST(Forest, AttributesToTheDimensionThatDiffers) {
  Forest forest = MakeForest({.dimensions = 3, .shingle = 1});
  base::Random random(3);
  const auto unit = [&random] { return static_cast<float>(random.Unit()); };
  for (int i = 0; i < 1000; ++i) forest.Update({{unit(), unit(), unit()}});
  std::vector<double> high(3);
  std::vector<double> low(3);
  const std::vector<float> point = {0.5f, 9.0f, 0.5f};
  const double score = forest.Score(point);
  forest.Attribute(point, high, low);
  EXPECT_GT(high[1], 0.9 * score);
  EXPECT_LE(high[0] + high[1] + high[2] + low[0] + low[1] + low[2], score + 1e-9);
  forest.Attribute(std::vector<float>{0.5f, 0.5f, -9.0f}, high, low);
  EXPECT_GT(low[2], 0.9 * score);
}

TEST(Forest, ImputesWhatBelongsToTheRest) {
  Forest forest = MakeForest({.dimensions = 2, .shingle = 1});
  base::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto x = static_cast<float>(random.Unit());
    forest.Update({{x, 100 * x}});
  }
  for (const float x : {0.1f, 0.5f, 0.9f}) {
    std::vector<float> point = {x, 0};
    forest.Impute(point, std::vector<uint8_t>{0, 1});
    EXPECT_EQ(point[0], x);
    EXPECT_NEAR(point[1], 100 * x, 5);
  }
}

TEST(Forest, ForgetsAnOldPlace) {
  Forest forest = MakeForest({.dimensions = 1, .shingle = 1, .samples = 64});
  base::Random random(3);
  const auto around = [&random](float x) { return x + static_cast<float>(random.Unit()); };
  for (int i = 0; i < 3000; ++i) forest.Update({{around(0)}});
  EXPECT_GT(forest.Score({{100.0f}}), 4);
  for (int i = 0; i < 10'000; ++i) forest.Update({{around(100)}});
  EXPECT_LT(forest.Score({{100.5f}}), 1.2);
  EXPECT_GT(forest.Score({{0.5f}}), 4);
}

TEST(Forest, MemoryIsBounded) {
  Forest forest = MakeForest({.dimensions = 1, .shingle = 8, .trees = 20, .samples = 64});
  base::Random random(3);
  const auto run = [&](int rows) {
    for (int i = 0; i < rows; ++i) forest.Update({{static_cast<float>(random.Unit())}});
    return forest.ByteSize();
  };
  run(20'000);
  const size_t bytes = run(20'000);
  EXPECT_LT(run(100'000), bytes * 11 / 10);
  EXPECT_LT(bytes, 600'000u);
}

TEST(Forest, RefusesWhatIsNotItsState) {
  const ForestSettings settings{.dimensions = 1, .shingle = 2, .trees = 3, .samples = 8};
  Forest forest = MakeForest(settings);
  for (int i = 0; i < 50; ++i) forest.Update({{static_cast<float>(i * 7 % 11)}});
  const std::string bytes = Bytes(forest);
  ASSERT_TRUE(FromBytes(settings, bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(FromBytes(settings, bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(FromBytes(settings, bytes + "x").ok());
  // Any byte changed is refused, or is a state that can be used.
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int change : {1, 0x40, 0x80, 0xFF}) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ change);
      auto parsed = FromBytes(settings, other);
      if (!parsed.ok()) continue;
      for (int k = 0; k < 20; ++k) {
        EXPECT_TRUE(std::isfinite(parsed->Update({{static_cast<float>(k)}})));
      }
    }
  }
}

TEST(Forest, ChecksSettings) {
  EXPECT_FALSE(Forest::Make({.dimensions = 0}).ok());
  EXPECT_FALSE(Forest::Make({.dimensions = 100, .shingle = 100}).ok());
  EXPECT_FALSE(Forest::Make({.trees = 0}).ok());
  EXPECT_FALSE(Forest::Make({.samples = 1}).ok());
  EXPECT_FALSE(Forest::Make({.trees = 1000, .samples = 10'000}).ok());
  EXPECT_FALSE(Forest::Make({.time_decay = std::nan("")}).ok());
}

TEST(Forest, DisplacementOfAnOutlier) {
  Forest forest =
      MakeForest({.dimensions = 1, .shingle = 1, .samples = 64, .scoring = Scoring::kDisplacement});
  base::Random random(3);
  for (int i = 0; i < 500; ++i) forest.Update({{static_cast<float>(random.Unit())}});
  const double usual = forest.Score({{0.5f}});
  // Alone beside all others it displaces nearly all of them.
  EXPECT_GT(forest.Score({{100.0f}}), 55);
  EXPECT_LT(usual, 10);
}

}  // namespace
}  // namespace levada::anomaly
