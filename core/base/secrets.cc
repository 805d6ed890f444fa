#include "core/base/secrets.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "absl/status/status.h"
#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::base {
namespace {

// Names of Kubernetes: letters, digits, - _ . and no leading point, which also keeps a name from
// leaving the folder.
bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 253 || name.front() == '.') return false;
  for (const char c : name) {
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (!letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

std::optional<std::string> ReadSecretFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string value{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();
  return value;
}

}  // namespace

std::string Secrets::VariableName(std::string_view name, std::string_view key) {
  std::string variable = StrCat("LEVADA_SECRET_", name, "_", key);
  for (char& c : variable) {
    if (c >= 'a' && c <= 'z') {
      c = static_cast<char>(c - 'a' + 'A');
    } else if ((c < 'A' || c > 'Z') && (c < '0' || c > '9')) {
      c = '_';
    }
  }
  return variable;
}

absl::StatusOr<std::string> Secrets::Get(std::string_view name, std::string_view key) const {
  for (const std::string_view part : {name, key}) {
    if (IsName(part)) continue;
    return absl::InvalidArgumentError(
        StrCat("\"", part,
               "\" is not the name of a secret or of a key in one: expected letters, "
               "digits, - _ and ."));
  }
  const std::filesystem::path path = std::filesystem::path(folder_) / name / key;
  if (!folder_.empty()) {
    if (std::optional<std::string> value = ReadSecretFile(path)) {
      HideInLogs(*value);
      return *std::move(value);
    }
  }
  const std::string variable = VariableName(name, key);
  if (const char* value = std::getenv(variable.c_str())) {
    HideInLogs(value);
    return std::string(value);
  }
  const std::string file = folder_.empty() ? std::string("no folder of secrets was given")
                                           : StrCat("there is no readable file ", path.string());
  return absl::NotFoundError(StrCat("secret \"", name, "\" has no key \"", key, "\": ", file,
                                    ", and the environment variable ", variable, " is not set"));
}

}  // namespace levada::base
