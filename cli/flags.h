#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/plugin.h"

// Parsing of a command's flags. Heavy: only for the commands' own files.
namespace levada::cli {

// Parses; a value is the exit code to end with (--help: 0, wrong use: 2).
inline std::optional<int> Parse(CLI::App& app, std::span<const std::string_view> args) {
  if (IsPlugin()) app.name("kubectl " + app.get_name());
  std::vector<std::string> reversed(args.rbegin(), args.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

inline void AddKafka(CLI::App& app, std::string& brokers) {
  app.add_option("--kafka", brokers,
                 "Kafka brokers (host:port,…), where the manifest has no connection `kafka`")
      ->envname("LEVADA_KAFKA")
      ->capture_default_str();
}

inline void AddOverrides(CLI::App& app, std::vector<std::string>& overrides) {
  app.add_option("--set", overrides,
                 "Overrides a value: spec.connections.search.opensearch.url=http://127.0.0.1:9200; "
                 "may be repeated")
      ->allow_extra_args(false);
}

}  // namespace levada::cli
