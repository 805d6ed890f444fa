#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"

namespace levada::cli {
namespace {

// clang-format off: it takes the script for C++
constexpr std::string_view kBash = R"sh(# levada completion bash > /etc/bash_completion.d/levada
_levada() {
  local current=${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "$(levada commands)" -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$(levada "${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*')" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _levada levada
)sh";
// clang-format on

constexpr std::string_view kZsh = R"sh(#compdef levada
# levada completion zsh > "${fpath[1]}/_levada"
autoload -U +X bashcompinit && bashcompinit
)sh";

}  // namespace

int RunCompletion(std::span<const std::string_view> args) {
  CLI::App app("Prints a completion script for a shell.", "levada completion");
  std::string shell;
  app.add_option("SHELL", shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  if (auto code = Parse(app, args)) return *code;
  if (shell == "zsh") std::cout << kZsh;
  std::cout << kBash;
  return kOk;
}

}  // namespace levada::cli
