#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// How far a file was read, told by its content: the offset and hashes of what lies before it. So a
// file is found again after it was renamed, and one that was cut, rewritten or replaced under its
// name is known not to be the same, whatever its inode number.
//
//   {"offset":10240,"head":"9f86d081884c7d65","tail":"03ac674216f3e15c"}
//
// Thread-safety: none; values and plain functions.
namespace levada::ingest {

struct Position {
  int64_t offset = 0;
  uint64_t head = 0;  // hash of the first kWindow bytes before the offset
  uint64_t tail = 0;  // hash of the last kWindow bytes before the offset

  static constexpr int64_t kWindow = 4096;

  bool operator==(const Position&) const = default;
};

std::string Encode(const Position& position);
absl::StatusOr<Position> DecodePosition(std::string_view json);

// The position at `offset` of an open file; kOutOfRange: the file is shorter.
absl::StatusOr<Position> PositionAt(int fd, int64_t offset);
// Whether the file begins with what was read up to `position`. Every file matches an offset of 0.
bool Matches(int fd, const Position& position);

// The file in the folder of `path`, other than `path` itself, that matches: where it went when it
// was rotated. Only names that begin with the file's own.
std::optional<std::string> FindRotated(const std::string& path, const Position& position);

}  // namespace levada::ingest
