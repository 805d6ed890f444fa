#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

// Bounded decompression of a gzip body (RFC 1952, several members allowed).
//
// Thread-safety: pure functions.
namespace levada::http {

// Appends to `out`. kResourceExhausted once more than `max_bytes` come out (a bomb is stopped
// there); kInvalidArgument: not gzip, damaged or truncated.
absl::Status Gunzip(std::string_view compressed, size_t max_bytes, std::string* out);

}  // namespace levada::http
