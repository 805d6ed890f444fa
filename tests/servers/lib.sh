# shellcheck shell=bash disable=SC2154  # name, default_port and ports come from the server's script
# Sourced by each server's script (kafka.sh, opensearch.sh, smtp.sh, kubernetes.sh): starting, stopping
# and killing a server in the background, never touching a process that is not its own.
#
# A script sets `name`, `default_port` and `ports` (offsets from the port that it listens on), defines
#   launch    starts the server's processes, each with `spawn NAME COMMAND…`
#   ready     whether the server really answers (not just that the port is open)
#   describe  prints the addresses, one a line
#   exports   prints NAME=value lines for clients
# and calls `server_main "$@"`:
#   SCRIPT start|stop|kill|pause|resume|alive|status|describe|exports|folder|logs [--dir DIR] [--port PORT]
# start returns when the server is ready and does nothing if it runs already; one that runs and is
# slow to answer is waited for, never killed: somebody else may be using it. stop asks and waits;
# kill is kill -9; pause and resume stop and continue the processes, as a server that hangs does.
# Data in DIR outlives stop and kill, so that a server can be restarted with what it had.
set -euo pipefail
servers="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$servers/../.." && pwd)"
deps="$root/.deps"
python="$deps/venv/bin/python"
# The log-in of every server that wants one; they listen on the loopback interface only.
user=levada
password=levada-secret
# This machine as the pods of ./dev cluster see it, where that runs: tests/cluster/forward.py leads from
# its ports to those of the loopback interface.
pods_address=10.199.0.1

fail() { echo "$name: $*" >&2; exit 1; }

# The kernel's start time of a process: with it, a pid that was given out again is not mistaken for ours.
# Empty when the process has ended. One whose first thread is a zombie has ended only with its last
# thread: until then it still holds its ports.
start_time() {
  local stat fields tasks
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -ra fields <<<"${stat##*) }"
  tasks=("/proc/$1/task"/*)
  [[ ${fields[0]} == Z && ${#tasks[@]} -le 1 ]] || echo "${fields[19]}"
}

# live_pids: the pids of this server's processes that still run.
live_pids() {
  local file pid start
  for file in "$dir"/*.pid; do
    [[ -f $file ]] || continue
    read -r pid start <"$file" || continue
    if [[ -n $start && $(start_time "$pid") == "$start" ]]; then echo "$pid"; fi
  done
}

# running: whether all of its processes run.
running() {
  local files=("$dir"/*.pid)
  [[ -f ${files[0]} && $(live_pids | wc -l) == "${#files[@]}" ]]
}

# spawn PROCESS COMMAND…: starts it detached from this terminal and shell, its output in DIR/PROCESS.log.
spawn() {
  local process=$1 pid
  shift
  setsid "$@" >>"$dir/$process.log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown "$pid"
  echo "$pid $(start_time "$pid")" >"$dir/$process.pid"
}

signal() {
  local pids
  pids=$(live_pids)
  # shellcheck disable=SC2086  # a list of pids
  [[ -z $pids ]] || kill "-$1" $pids 2>/dev/null || true
}

# gone SECONDS: waits until no process is left.
gone() {
  local deadline=$((SECONDS + $1))
  while [[ -n $(live_pids) ]]; do
    [[ $SECONDS -lt $deadline ]] || return 1
    sleep 0.05
  done
  rm -f "$dir"/*.pid
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# answers SECONDS: waits until it is ready; 1 when it has ended, 2 when it is not ready in time.
answers() {
  local deadline=$((SECONDS + $1))
  until ready; do
    running || return 1
    [[ $SECONDS -lt $deadline ]] || return 2
    sleep 0.1
  done
}

do_start() {
  local offset code=0
  if running; then
    if answers 120; then return; fi
    running && fail "runs but does not answer; stop it first"
  fi
  [[ -x $python ]] || fail "run ./dev setup first"
  do_kill # what is left of a start that failed half-way
  for offset in $ports; do
    if port_taken $((port + offset)); then
      fail "port $((port + offset)) is taken by another program; set LEVADA_${name^^}_PORT to a free one"
    fi
  done
  mkdir -p "$dir/data"
  rm -f "$dir"/*.log
  launch
  answers 120 || code=$?
  [[ $code != 0 ]] || return 0
  tail -n 20 "$dir"/*.log >&2
  do_kill
  [[ $code != 1 ]] || fail "ended while starting"
  # Kafka looks at every partition that it keeps: thousands, of hundreds of test runs, take minutes.
  fail "not ready after 120 s; it keeps $(du -sh "$dir/data" | cut -f1) of earlier runs, which ./dev servers down --wipe removes"
}

do_stop() {
  signal CONT
  signal TERM
  gone 30 || do_kill
}

do_kill() {
  signal KILL
  gone 10 || fail "could not be killed"
}

do_status() {
  if running && ready; then
    echo "$name runs"
    describe | sed 's/^/  /'
  else
    echo "$name does not run"
    return 3
  fi
}

# certificate: makes DIR/cert.pem and key.pem for this machine's loopback, also as pods see it, once;
# clients take cert.pem as CA. One of before there were pods is replaced.
certificate() {
  ! openssl x509 -in "$dir/cert.pem" -noout -checkip "$pods_address" 2>/dev/null | grep -q "does match" || return 0
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
    -addext "subjectAltName=DNS:localhost,DNS:host.levada.internal,IP:127.0.0.1,IP:$pods_address" \
    -keyout "$dir/key.pem" -out "$dir/cert.pem.new" 2>/dev/null
  mv "$dir/cert.pem.new" "$dir/cert.pem"
}

server_main() {
  local action=${1:-} port_variable="LEVADA_${name^^}_PORT"
  shift || true
  dir="${LEVADA_SERVERS_DIR:-$root/.run/servers}/$name"
  port=${!port_variable:-$default_port}
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --dir) dir=$(realpath -m "$2"); shift 2 ;;
      --port) port=$2; shift 2 ;;
      *) fail "unknown argument '$1'" ;;
    esac
  done
  mkdir -p "$dir"
  case "$action" in
    start | stop | kill)
      exec 9>"$dir/lock"
      flock 9
      "do_$action"
      ;;
    pause) signal STOP ;;
    resume) signal CONT ;;
    alive) running ;;
    status) do_status ;;
    describe | exports) "$action" ;;
    folder) echo "$dir" ;;
    logs) tail -n 100 "$dir"/*.log ;;
    *) fail "say start, stop, kill, pause, resume, alive, status, describe, exports, folder or logs" ;;
  esac
}
