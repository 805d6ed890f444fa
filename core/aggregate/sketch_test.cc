// Error bounds of distinct and quantile, and what merging them gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/aggregate/distinct.h"
#include "core/aggregate/quantile.h"
#include "core/base/random.h"

namespace levada::aggregate {
namespace {

// A table with one sketch an entry.
template <typename State>
class Sketches {
 public:
  explicit Sketches(uint32_t count) : layout_{0, 0, sizeof(State), {0}}, table_(&layout_, &blob_) {
    table_.Initialise();
    for (uint32_t i = 0; i < count; ++i) table_.Insert(i);
  }
  Table& table() { return table_; }
  size_t operator[](uint32_t i) const { return table_.At(i); }
  std::string Bytes(uint32_t i) {
    const auto state = Load<State>(table_.Entry(i));
    return std::string(table_.ChunkAt(table_.At(i)), state.chunk.capacity);
  }

 private:
  Layout layout_;
  OwnedBlob blob_;
  Table table_;
};

uint64_t Hash(uint64_t i) { return Distinct::HashOf(expr::Value::Uint(i)); }

TEST(Distinct, IsExactForFew) {
  Sketches<DistinctState> sketch(1);
  for (uint64_t i = 0; i < Distinct::kExact; ++i) {
    for (int again = 0; again < 3; ++again) Distinct::Add(sketch.table(), sketch[0], Hash(i));
    ASSERT_EQ(Distinct::Estimate(sketch.table(), sketch[0]), static_cast<int64_t>(i + 1));
    ASSERT_TRUE(Distinct::Check(sketch.table(), sketch[0]).ok());
  }
}

TEST(Distinct, IsWithinItsErrorForMany) {
  constexpr int kRuns = 60;
  for (const int64_t count : {257, 400, 1'000, 3'000, 10'000, 100'000}) {
    double squares = 0;
    double sum = 0;
    for (int run = 0; run < kRuns; ++run) {
      Sketches<DistinctState> sketch(1);
      for (int64_t i = 0; i < count; ++i) {
        Distinct::Add(sketch.table(), sketch[0], Hash(static_cast<uint64_t>(run) << 32 | i));
      }
      ASSERT_TRUE(Distinct::Check(sketch.table(), sketch[0]).ok());
      const double error =
          static_cast<double>(Distinct::Estimate(sketch.table(), sketch[0])) / count - 1;
      squares += error * error;
      sum += error;
    }
    EXPECT_LT(std::sqrt(squares / kRuns), 0.023 * 1.3) << count;
    EXPECT_LT(std::fabs(sum / kRuns), 0.023 * 4 / std::sqrt(kRuns)) << "bias at " << count;
  }
}

TEST(Distinct, NumbersOfAllKindsAreOne) {
  using expr::Value;
  EXPECT_EQ(Distinct::HashOf(Value::Int(7)), Distinct::HashOf(Value::Double(7)));
  EXPECT_EQ(Distinct::HashOf(Value::Int(7)), Distinct::HashOf(Value::Uint(7)));
  EXPECT_EQ(Distinct::HashOf(Value::Double(0.0)), Distinct::HashOf(Value::Double(-0.0)));
  EXPECT_EQ(Distinct::HashOf(Value::Uint(uint64_t{1} << 63)),
            Distinct::HashOf(Value::Double(0x1p63)));
  EXPECT_NE(Distinct::HashOf(Value::Int(1)), Distinct::HashOf(Value::Bool(true)));
  EXPECT_NE(Distinct::HashOf(Value::String("7")), Distinct::HashOf(Value::Int(7)));
  EXPECT_NE(Distinct::HashOf(Value::String("a")), Distinct::HashOf(Value::Bytes("a")));
  EXPECT_NE(Distinct::HashOf(Value::OfTimestamp({7, 0})), Distinct::HashOf(Value::Int(7)));
}

// Merging in any order, also within one table, gives the bytes of adding all.
TEST(Distinct, MergesToWhatAddingGives) {
  for (const int size : {3, 60, 200, 1000}) {
    base::Random random(size);
    constexpr uint32_t kParts = 6;
    Sketches<DistinctState> parts(kParts + 2);
    Table& table = parts.table();
    for (int i = 0; i < size; ++i) {
      const uint64_t hash = Hash(random.Below(size));
      Distinct::Add(table, parts[static_cast<uint32_t>(random.Below(kParts))], hash);
      Distinct::Add(table, parts[kParts], hash);
    }
    std::vector<uint32_t> order = {0, 1, 2, 3, 4, 5};
    std::shuffle(order.begin(), order.end(), random);
    for (const uint32_t part : order) {
      Distinct::Merge(table, parts[kParts + 1], table, parts[part]);
      ASSERT_TRUE(Distinct::Check(table, parts[kParts + 1]).ok());
    }
    ASSERT_TRUE(table.Check().ok());
    EXPECT_EQ(Distinct::Estimate(table, parts[kParts + 1]),
              Distinct::Estimate(table, parts[kParts]));
    if (size == 1000) {
      EXPECT_EQ(parts.Bytes(kParts + 1), parts.Bytes(kParts)) << "registers";
    }
  }
}

// The value of that rank, from sorted values.
double Exact(const std::vector<double>& sorted, double p) {
  return sorted[static_cast<size_t>(p * static_cast<double>(sorted.size() - 1))];
}

void ExpectQuantiles(Sketches<QuantileState>& sketch, uint32_t entry, std::vector<double> values,
                     double error) {
  ASSERT_TRUE(Quantile::Check(sketch.table(), sketch[entry]).ok());
  std::sort(values.begin(), values.end());
  for (const double p : {0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = Exact(values, p);
    EXPECT_NEAR(Quantile::Value(sketch.table(), sketch[entry], p), exact,
                error * std::fabs(exact) * 1.0000001)
        << p;
  }
}

TEST(Quantile, IsWithinOnePercent) {
  base::Random random(1);
  const auto normal = [&] {
    return std::sqrt(-2 * std::log(1 - random.Unit())) *
           std::cos(6.283185307179586 * random.Unit());
  };
  for (int shape = 0; shape < 5; ++shape) {
    SCOPED_TRACE(shape);
    Sketches<QuantileState> sketch(1);
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) {
      double value = 0;
      switch (shape) {
        case 0:
          value = random.Unit() * 100;
          break;
        case 1:
          value = std::exp(normal());  // latencies
          break;
        case 2:
          value = normal() * 5 + 2;  // of both signs
          break;
        case 3:
          value = static_cast<double>(random.Below(5));  // few different ones, zero too
          break;
        default:
          value = -std::pow(1 - random.Unit(), -1.0 / 3);  // a heavy tail, negative
      }
      // Right at zero there would be too many bins for both signs.
      if (std::fabs(value) < 0.2) value = 0;
      values.push_back(value);
      Quantile::Add(sketch.table(), sketch[0], value);
    }
    ExpectQuantiles(sketch, 0, values, 0.01);
  }
}

TEST(Quantile, BinsThatAreTooManyCostPrecisionOnce) {
  base::Random random(2);
  for (const auto& [decades, error] : {std::pair{8.0, 0.02}, std::pair{16.0, 0.04}}) {
    Sketches<QuantileState> sketch(1);
    std::vector<double> values;
    for (int i = 0; i < 50'000; ++i) {
      values.push_back(std::pow(10, (random.Unit() - 0.5) * decades));
      Quantile::Add(sketch.table(), sketch[0], values.back());
    }
    ExpectQuantiles(sketch, 0, values, error);
  }
}

TEST(Quantile, EndsOfTheRange) {
  Sketches<QuantileState> sketch(1);
  std::vector<double> values = {0, 5e-324, -5e-324, 1e144, -1e144, 1e-300, 1, -1};
  for (const double value : values) Quantile::Add(sketch.table(), sketch[0], value);
  std::erase_if(values, [](double value) { return value != 0 && std::fabs(value) < 1e-307; });
  ASSERT_TRUE(Quantile::Check(sketch.table(), sketch[0]).ok());
  EXPECT_NEAR(Quantile::Value(sketch.table(), sketch[0], 0), -1e144, 1e142);
  EXPECT_NEAR(Quantile::Value(sketch.table(), sketch[0], 1), 1e144, 1e142);
}

TEST(Quantile, MergesToWhatAddingGivesAndCanBeTakenAway) {
  for (const double decades : {2.0, 12.0}) {
    base::Random random(3);
    constexpr uint32_t kParts = 6;
    Sketches<QuantileState> parts(kParts + 3);
    Table& table = parts.table();
    const uint32_t all = kParts;
    const uint32_t merged = kParts + 1;
    const uint32_t rest = kParts + 2;
    for (int i = 0; i < 3000; ++i) {
      const auto part = static_cast<uint32_t>(random.Below(kParts));
      const double value = std::pow(10, (random.Unit() - 0.5) * decades) * (i % 7 == 0 ? -1 : 1);
      Quantile::Add(table, parts[part], value);
      Quantile::Add(table, parts[all], value);
      if (part >= 2) Quantile::Add(table, parts[rest], value);
    }
    std::vector<uint32_t> order = {0, 1, 2, 3, 4, 5};
    std::shuffle(order.begin(), order.end(), random);
    for (const uint32_t part : order) Quantile::Merge(table, parts[merged], table, parts[part]);
    ASSERT_TRUE(table.Check().ok());
    const auto expect_same = [&](uint32_t a, uint32_t b) {
      ASSERT_TRUE(Quantile::Check(table, parts[a]).ok());
      for (double p = 0; p <= 1; p += 0.01) {
        ASSERT_EQ(Quantile::Value(table, parts[a], p), Quantile::Value(table, parts[b], p)) << p;
      }
    };
    expect_same(merged, all);
    bool removed = true;
    for (const uint32_t part : {0u, 1u}) {
      removed = removed && Quantile::Remove(table, parts[merged], table, parts[part]);
    }
    EXPECT_EQ(removed, decades < 4) << "bins that were put together stay so";
    if (removed) expect_same(merged, rest);
  }
}

}  // namespace
}  // namespace levada::aggregate
