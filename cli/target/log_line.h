#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Lines of the workers' logs (core/base/log.h), for people.
//
//   {"ts":"2024-03-01T12:34:56.789Z","level":"warn","msg":"kafka","service":"scoring",
//    "pipeline":"shop","stage":"detect","reason":"broker down"}
//   -> 2024-03-01T12:34:56.789Z WARN  kafka reason="broker down"
//
// Threads: pure functions.
namespace levada::cli {

// Without what stands before each line anyway (service, pipeline, stage). A line that is no such
// object stays as it is.
std::string Readable(std::string_view line);

// Microseconds since 1970 of the line; -1 where it has no time.
int64_t TimeOf(std::string_view line);

}  // namespace levada::cli
