#include "cli/plugin.h"

#include <string_view>

namespace levada::cli {
namespace {

bool is_plugin = false;

}  // namespace

void SetPlugin(const char* program) {
  const std::string_view path(program);
  is_plugin = path.substr(path.rfind('/') + 1).starts_with("kubectl-levada");
}

bool IsPlugin() { return is_plugin; }

}  // namespace levada::cli
