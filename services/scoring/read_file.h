#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/strings.h"

namespace levada::scoring {

// The whole of a file; InvalidArgument, "cannot be read: …" or "is larger than …", where it cannot
// be.
inline absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::InvalidArgumentError(base::StrCat("cannot be read: ", error.message()));
  if (size > max_bytes) {
    return absl::InvalidArgumentError(base::StrCat("is larger than ", max_bytes >> 20, " MiB"));
  }
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!in) return absl::InvalidArgumentError("cannot be read");
  return bytes;
}

}  // namespace levada::scoring
