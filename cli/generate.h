#pragma once

#include <span>
#include <string_view>

namespace levada::cli {

// `levada generate fraud`: simulated card transactions into a file, an HTTP endpoint or a Kafka
// topic (cli/generate_options.h has the flags). `args` are those behind "generate". Returns the
// exit code: 0, 1 when events could not be written or were refused, 2 for wrong usage.
int RunGenerate(std::span<const std::string_view> args);

}  // namespace levada::cli
