#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "core/pipeline/docgen/reference.h"

namespace {

std::optional<std::string> ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

constexpr char kUsage[] =
    "Usage: levada-docgen [--check] DESCRIPTORS PAGE\n"
    "Writes the reference page of the manifest from the schema's descriptors.\n"
    "  --check   writes nothing; exit code 1 when PAGE is not what would be written\n";

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::string(argv[1]) == "--check";
  if (argc != (check ? 4 : 3)) {
    std::cerr << kUsage;
    return 2;
  }
  const std::string descriptors_name = argv[argc - 2];
  const std::string page_name = argv[argc - 1];
  const auto descriptors = ReadFile(descriptors_name);
  if (!descriptors) {
    std::cerr << "levada-docgen: cannot read " << descriptors_name << "\n";
    return 1;
  }
  const auto page = levada::pipeline::ReferencePage(*descriptors);
  if (!page.ok()) {
    std::cerr << "levada-docgen: " << descriptors_name << ": " << page.status().message() << "\n";
    return 1;
  }
  if (check) {
    if (ReadFile(page_name) == *page) return 0;
    std::cerr << page_name << " is stale: run ./dev docs\n";
    return 1;
  }
  std::error_code ignored;  // the write below fails where there is no folder
  std::filesystem::create_directories(std::filesystem::path(page_name).parent_path(), ignored);
  std::ofstream out(page_name, std::ios::binary);
  out << *page;
  if (!out.flush()) {
    std::cerr << "levada-docgen: cannot write " << page_name << "\n";
    return 1;
  }
  return 0;
}
