#include "cli/programs.h"

#include <unistd.h>

#include <filesystem>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

constexpr std::string_view kHint = "say where the services are with --programs, or build them";

absl::StatusOr<std::string> Locate(std::string_view name, std::string_view folder) {
  std::error_code error;
  const std::filesystem::path where =
      folder.empty() ? std::filesystem::read_symlink("/proc/self/exe", error).parent_path()
                     : std::filesystem::path(folder);
  const std::string path = (where / name).string();
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(base::StrCat(path, " is not there"));
  }
  if (std::filesystem::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0) return path;
  return absl::NotFoundError(base::StrCat(path, " cannot be executed"));
}

}  // namespace

absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view folder) {
  auto path = Locate(name, folder);
  if (path.ok()) return path;
  return absl::NotFoundError(base::StrCat(path.status().message(), ": ", kHint));
}

absl::Status CheckPrograms(const std::set<std::string>& names, std::string_view folder) {
  std::string problems;
  for (const std::string& name : names) {
    const auto path = Locate(name, folder);
    if (!path.ok()) base::StrAppend(&problems, path.status().message(), "\n");
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::NotFoundError(base::StrCat(problems, kHint));
}

}  // namespace levada::cli
