#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "levada/v1/tests.pb.h"

// Records that are expected against those that there are.
//
//   for (const Mismatch& mismatch : Compare(expected, got, v1::TEST_MATCH_SUBSET)) { … }
//
// Thread-safety: pure functions.
namespace levada::cli {

// A value that is not as expected.
struct Difference {
  std::string path;                        // `customer.limits[2]`; empty: the record as a whole
  std::optional<nlohmann::json> expected;  // nothing: no such field is expected
  std::optional<nlohmann::json> got;       // nothing: there is no such field
  bool operator==(const Difference&) const = default;
};

// What `got` differs in. An object within is compared as the record is; a list has all its elements
// in order. Numbers are equal where they differ by no more than a billionth of the larger, whole
// ones where they are the same.
std::vector<Difference> Differences(const nlohmann::json& expected, const nlohmann::json& got,
                                    v1::TestMatch match);

// A record too few, a record too many, or one in the place of another.
struct Mismatch {
  int expected = -1;  // index; -1: one too many
  int got = -1;       // index; -1: it is missing
  std::vector<Difference> differences;
};

// Nothing where all is as expected; else in the order of the records. Records are lined up so that
// one that is missing does not make all behind it differ.
std::vector<Mismatch> Compare(const std::vector<nlohmann::json>& expected,
                              const std::vector<nlohmann::json>& got, v1::TestMatch match);

}  // namespace levada::cli
