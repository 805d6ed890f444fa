#pragma once

#include <string>
#include <string_view>

// Short names for texts. Thread-safety: pure functions.
namespace levada::pipeline {

// The first 16, or 8, hexadecimal digits of its SHA-256.
std::string Hash(std::string_view text);
std::string ShortHash(std::string_view text);

}  // namespace levada::pipeline
