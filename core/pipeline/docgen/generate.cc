#include "core/pipeline/docgen/generate.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

namespace levada::pipeline {
namespace {

std::optional<std::string> ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

int GenerateFile(int argc, char** argv,
                 const std::function<absl::StatusOr<std::string>(std::string_view)>& make) {
  const std::string program = std::filesystem::path(argv[0]).filename();
  const bool check = argc > 1 && std::string(argv[1]) == "--check";
  if (argc != (check ? 4 : 3)) {
    std::cerr << "Usage: " << program << " [--check] DESCRIPTORS FILE\n"
              << "Writes FILE from the schema's descriptors.\n"
              << "  --check   writes nothing; exit code 1 when FILE is not what would be written\n";
    return 2;
  }
  const std::string descriptors_name = argv[argc - 2];
  const std::string name = argv[argc - 1];
  const auto descriptors = ReadFile(descriptors_name);
  if (!descriptors) {
    std::cerr << program << ": cannot read " << descriptors_name << "\n";
    return 1;
  }
  const auto text = make(*descriptors);
  if (!text.ok()) {
    std::cerr << program << ": " << descriptors_name << ": " << text.status().message() << "\n";
    return 1;
  }
  if (check) {
    if (ReadFile(name) == *text) return 0;
    std::cerr << name << " is stale: run ./dev docs\n";
    return 1;
  }
  std::error_code ignored;  // the write below fails where there is no folder
  std::filesystem::create_directories(std::filesystem::path(name).parent_path(), ignored);
  std::ofstream out(name, std::ios::binary);
  out << *text;
  if (!out.flush()) {
    std::cerr << program << ": cannot write " << name << "\n";
    return 1;
  }
  return 0;
}

}  // namespace levada::pipeline
