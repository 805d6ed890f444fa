#!/usr/bin/env bash
# Usage: ./dev servers up|down|status|logs [NAME…]
# Start and stop the servers to run against: kafka, opensearch, s3, smtp (default: these), kubernetes.
#
#   up      starts them and waits until they are ready; does nothing for one that runs already
#   down    stops them; they keep their data (./dev servers down --wipe removes it)
#   status  what runs and where; exit code 3 when one of them does not run
#   logs    the end of each one's log
#
# All listen on 127.0.0.1 only. LEVADA_KAFKA_PORT (19092), LEVADA_OPENSEARCH_PORT (19200),
# LEVADA_S3_PORT (19300), LEVADA_SMTP_PORT (19025) and LEVADA_KUBERNETES_PORT (16443) move them; each also
# uses the next few ports. Their data and logs are in .run/servers/NAME. `eval "$(./dev shell-env)"` sets the variables
# that clients need. kubernetes is an API server without nodes, for which ./dev setup --kubernetes is
# needed once; a node that runs pods is ./dev cluster.
source "$(dirname "$0")/lib/common.sh"

default=(kafka opensearch s3 smtp)
all=("${default[@]}" kubernetes)
action=${1:-status}
shift || true
wipe=false
names=()
for argument in "$@"; do
  if [[ $argument == --wipe && $action == down ]]; then
    wipe=true
  elif [[ " ${all[*]} " == *" $argument "* ]]; then
    names+=("$argument")
  else
    usage_error "no server '$argument'; there are ${all[*]}"
  fi
done
[[ ${#names[@]} -gt 0 ]] || names=("${default[@]}")

# in_parallel ACTION: of every server, at the same time; fails when one of them does.
in_parallel() {
  local name pids=() failed=0
  for name in "${names[@]}"; do
    tests/servers/"$name".sh "$1" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return $failed
}

show() {
  local name failed=0
  for name in "${names[@]}"; do tests/servers/"$name".sh status || failed=3; done
  return $failed
}

case "$action" in
  up)
    require_setup
    echo "Starting ${names[*]}"
    in_parallel start
    show
    echo "Ready in $(elapsed)."
    ;;
  down)
    in_parallel stop
    for name in "${names[@]}"; do
      if $wipe; then rm -rf "$RUN/servers/$name"; fi
      echo "$name stopped"
    done
    ;;
  status) show ;;
  logs) for name in "${names[@]}"; do tests/servers/"$name".sh logs; done ;;
  *) usage_error "no action '$action'; there are up, down, status and logs" ;;
esac
