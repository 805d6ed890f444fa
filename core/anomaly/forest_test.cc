#include "core/anomaly/forest.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>

#include "core/base/random.h"

namespace levada::anomaly {
namespace {

TEST(Forest, RoundTripInTheMiddle) {
  ForestSettings settings{.dimensions = 2, .shingle = 3, .trees = 10, .samples = 32};
  auto forest = Forest::Make(settings);
  ASSERT_TRUE(forest.ok());
  base::Random random(7);
  for (int i = 0; i < 3000; ++i) {
    const float row[] = {static_cast<float>(random.Below(40)), static_cast<float>(random.Unit())};
    std::string before;
    if (i % 97 == 0) {
      ByteWriter out(&before);
      forest->Serialize(out);
      ByteReader in(before);
      auto parsed = Forest::Parse(settings, in);
      ASSERT_TRUE(parsed.ok()) << i;
      ASSERT_TRUE(in.done());
      std::string again;
      ByteWriter out2(&again);
      parsed->Serialize(out2);
      ASSERT_EQ(before, again);
      auto other = *std::move(parsed);
      const double a = forest->Update(row);
      const double b = other.Update(row);
      ASSERT_EQ(a, b);
      std::swap(*forest, other);
    } else {
      forest->Update(row);
    }
  }
}

}  // namespace
}  // namespace levada::anomaly
