#include "cli/programs.h"

#include <unistd.h>

#include <filesystem>

#include "core/base/strings.h"

namespace levada::cli {

absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view folder) {
  std::error_code error;
  const std::filesystem::path where =
      folder.empty() ? std::filesystem::read_symlink("/proc/self/exe", error).parent_path()
                     : std::filesystem::path(folder);
  const std::string path = (where / name).string();
  if (access(path.c_str(), X_OK) == 0) return path;
  return absl::NotFoundError(base::StrCat(path,
                                          " is not there: build it, or say where the "
                                          "services are with --programs"));
}

}  // namespace levada::cli
