# shellcheck shell=bash
# Sourced by commands that need the servers for as long as they run.

stop_at_end=()

# start_servers NAME…: starts those that do not run, stops just these when the script ends, and sets
# the variables of ./dev shell-env.
start_servers() {
  local name
  for name in "$@"; do
    tests/servers/"$name".sh alive || stop_at_end+=("$name")
  done
  trap stop_started_servers EXIT
  scripts/servers.sh up "$@"
  eval "$(scripts/shell-env.sh)"
}

# shellcheck disable=SC2317  # called by the trap
stop_started_servers() {
  [[ ${#stop_at_end[@]} == 0 ]] || scripts/servers.sh down "${stop_at_end[@]}" >/dev/null
}
