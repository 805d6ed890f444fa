#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"

namespace levada::cli {
namespace {

// What can be typed is asked of the program itself: `levada commands [COMMAND]` and the flags of
// --help, so that no list here grows old.

// clang-format off: it takes the script for C++
constexpr std::string_view kBash = R"sh(# levada completion bash > /etc/bash_completion.d/levada
_levada() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "$(levada commands)" -- "$current"))
  elif [[ $current == -* ]]; then
    [ "$command" = dlq ] && command="dlq ${COMP_WORDS[2]}"
    COMPREPLY=($(compgen -W "$(levada $command --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*')" -- "$current"))
  else
    words=$(levada commands "$command" "$COMP_CWORD" 2>/dev/null)
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _levada levada
)sh";

constexpr std::string_view kZsh = R"sh(#compdef levada
# levada completion zsh > "${fpath[1]}/_levada"
autoload -U +X bashcompinit && bashcompinit
)sh";

constexpr std::string_view kFish =
    R"sh(# levada completion fish > ~/.config/fish/completions/levada.fish
function __levada_words
    set -l typed (commandline -opc) (commandline -ct)
    set -l current $typed[-1]
    set -l command $typed[2]
    if test (count $typed) -eq 2
        levada commands
    else if string match -q -- '-*' $current
        test "$command" = dlq; and set command dlq $typed[3]
        levada $command --help 2>/dev/null | string match -ar -- '--[a-z][a-z-]*'
    else
        levada commands $command (math (count $typed) - 1) 2>/dev/null
        __fish_complete_path $current
    end
end
complete -c levada -f -a '(__levada_words)'
)sh";
// clang-format on

}  // namespace

int RunCompletion(std::span<const std::string_view> args) {
  CLI::App app("Prints a completion script for a shell.", "levada completion");
  std::string shell;
  app.add_option("SHELL", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  if (auto code = Parse(app, args)) return *code;
  if (shell == "zsh") std::cout << kZsh;
  std::cout << (shell == "fish" ? kFish : kBash);
  return kOk;
}

}  // namespace levada::cli
