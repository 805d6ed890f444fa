#!/usr/bin/env bash
# Usage: ./dev demo [FILE] [--events N] [--rate N] [--stop]
# Run the fraud-prevention pipeline on this machine with simulated transactions, and count what came out.
#
# Sets up and builds what is missing, starts Kafka, OpenSearch and a mail server, runs
# manifests/samples/fraud-prevention.yaml against them over TLS with log-ins, sends N simulated card
# transactions (--events, default 20000) at N a second (--rate, default 2000) through the HTTP gateway,
# and then the events of FILE, if one is named: one JSON object a line, with at least event_id,
# event_time, entity_id and transaction_amt. The exit code is 0 only when every event that was taken in
# is in the index, in the files and, where it was blocked, in a mail.
#
# Each run begins anew: topics and indices of an earlier one are deleted (only those that begin with
# fraud-demo). The pipeline is stopped at the end; the servers go on, so that one can look further, and
# `./dev servers down` stops them. --stop stops those that this run started.
#
# LEVADA_DEMO_PORT (8080) is the gateway's port; the detector's is the next one, gRPC's are 1010 above.
# LEVADA_BIN names a folder of programs to use in place of building them.
source "$(dirname "$0")/lib/common.sh"

file="" events=20000 rate=2000 stop=false
while [[ $# -gt 0 ]]; do
  case "$1" in
    --events | --rate)
      [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || usage_error "$1 needs a number"
      if [[ $1 == --events ]]; then events=$2; else rate=$2; fi
      shift
      ;;
    --stop) stop=true ;;
    -*) usage_error "unknown argument '$1'" ;;
    *)
      [[ -z $file ]] || usage_error "one FILE only"
      file=$1
      [[ $file == /* ]] || file="$OLDPWD/$file" # common.sh went to the root of the repository
      [[ -f $file && -r $file ]] || usage_error "no file '$1' to read"
      ;;
  esac
  shift
done

name=fraud-demo # of the pipeline, and what all that it makes begins with
manifest=manifests/samples/fraud-prevention.yaml
dir="$RUN/demo"
bin="${LEVADA_BIN:-$ROOT/build/release/bin}"
port=${LEVADA_DEMO_PORT:-8080}
gateway="http://127.0.0.1:$port/v1/transactions"
detector="http://127.0.0.1:$((port + 1))/v1/detect"
programs=(levada levada-ingest levada-scoring levada-indexing levada-archiving levada-notify)
runner="" # pid of levada run
started=() # servers that this run started

mkdir -p "$dir"
exec 9>"$dir/lock"
flock -n 9 || die "another demo runs in this clone"

# Everything that runs in the background ends with this script, whatever ends it.
stop_pipeline() {
  [[ -n $runner ]] || return 0
  kill -INT "$runner" 2>/dev/null || true
  wait "$runner" || return 1
}
# shellcheck disable=SC2317  # called by the trap
at_end() {
  local code=$?
  trap - EXIT
  if [[ -n $runner ]]; then stop_pipeline || true; fi
  if $stop && [[ ${#started[@]} -gt 0 ]]; then scripts/servers.sh down "${started[@]}" 9>&-; fi
  exit "$code"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

demo_py() { PYTHONPATH=scripts/lib "$VENV_PYTHON" scripts/lib/demo.py --name "$name" --dir "$dir" "$@"; }

start_servers() {
  local server servers=(kafka opensearch smtp)
  for server in "${servers[@]}"; do
    tests/servers/"$server".sh status >/dev/null 9>&- || started+=("$server")
  done
  scripts/servers.sh up "${servers[@]}" 9>&-
  eval "$(scripts/shell-env.sh)"
}

require_free_ports() {
  local number
  for number in "$port" $((port + 1)) $((port + 1010)) $((port + 1011)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
      die "port $number is taken by another program; LEVADA_DEMO_PORT=18080 ./dev demo uses others"
    fi
  done
}

# Log-ins as on a cluster: a folder a secret, a file a key.
write_secrets() {
  local secret
  (
    umask 077
    for secret in kafka search mail; do mkdir -p "$dir/secrets/$secret-login"; done
    printf '%s' "$LEVADA_KAFKA_USER" >"$dir/secrets/kafka-login/username"
    printf '%s' "$LEVADA_KAFKA_PASSWORD" >"$dir/secrets/kafka-login/password"
    printf '%s' "$LEVADA_OPENSEARCH_USER" >"$dir/secrets/search-login/username"
    printf '%s' "$LEVADA_OPENSEARCH_PASSWORD" >"$dir/secrets/search-login/password"
    printf '%s' "$LEVADA_SMTP_USER" >"$dir/secrets/mail-login/username"
    printf '%s' "$LEVADA_SMTP_PASSWORD" >"$dir/secrets/mail-login/password"
  )
}

# What differs from the sample: where the servers are, names that are the demo's own, and shorter waits.
# Events of FILE may be old, so no topic forgets by time.
overrides() {
  cat <<SET
metadata.name=$name
spec.tests=[]
spec.connections.kafka.kafka.brokers=$LEVADA_KAFKA_SECURE
spec.connections.kafka.kafka.tls.caFile=$LEVADA_KAFKA_CA
spec.connections.kafka.kafka.secretRef=kafka-login
spec.connections.kafka.kafka.sasl=PLAIN
spec.connections.search.opensearch.url=$LEVADA_OPENSEARCH_SECURE
spec.connections.search.opensearch.tls.caFile=$LEVADA_OPENSEARCH_CA
spec.connections.search.opensearch.secretRef=search-login
spec.connections.mail.smtp.host=${LEVADA_SMTP%:*}
spec.connections.mail.smtp.port=${LEVADA_SMTP##*:}
spec.connections.mail.smtp.tls.caFile=$LEVADA_SMTP_CA
spec.connections.mail.smtp.secretRef=mail-login
spec.topics[name=transactions].retention=0
spec.topics[name=transactions].name=$name.transactions
spec.topics[name=customers].name=$name.customers
spec.topics[name=processed_transactions].retention=0
spec.topics[name=processed_transactions].name=$name.processed_transactions
spec.stages[name=gateway].ingest.to=$name.transactions
spec.stages[name=gateway].ingest.http.port=$port
spec.stages[name=gateway].ingest.grpc.port=$((port + 1010))
spec.stages[name=producer].ingest.to=$name.transactions
spec.stages[name=producer].ingest.schedule.every=2s
spec.stages[name=detect].scoring.from=$name.transactions
spec.stages[name=detect].scoring.to=$name.processed_transactions
spec.stages[name=detect].scoring.steps[1].join.table=$name.customers
spec.stages[name=detect].scoring.serve.port=$((port + 1))
spec.stages[name=detect].scoring.serve.grpcPort=$((port + 1011))
spec.stages[name=search].indexing.from=$name.processed_transactions
spec.stages[name=search].indexing.index=$name
spec.stages[name=lake].archiving.from=$name.processed_transactions
spec.stages[name=lake].archiving.roll.every=5s
spec.stages[name=alert].notify.from=$name.processed_transactions
spec.stages[name=alert].notify.group.wait=5s
SET
}

run_pipeline() {
  local line set=()
  while read -r line; do set+=(--set "$line"); done < <(overrides)
  "$bin/levada" validate --quiet "$manifest" "${set[@]}"
  "$bin/levada" run "$manifest" "${set[@]}" --json --programs "$bin" --secrets "$dir/secrets" \
    --data "$dir/data" --state "$dir/state" >"$dir/run.jsonl" 2>"$dir/run.log" 9>&- &
  runner=$!
  demo_py wait-ready --pid "$runner"
}

steps "$([[ -n $file ]] && echo 8 || echo 7)"
step "Set up"
scripts/setup.sh 9>&-
step "Build"
if [[ -n ${LEVADA_BIN:-} ]]; then
  note "taking the programs in $LEVADA_BIN"
else
  scripts/build.sh release "${programs[@]}" 9>&-
fi
step "Kafka, OpenSearch and a mail server"
start_servers
step "Pipeline: manifests/samples/fraud-prevention.yaml"
require_free_ports
demo_py clean
write_secrets
run_pipeline
step "$events simulated transactions to $gateway, $rate a second"
"$bin/levada" generate fraud --live --rate "$rate" --count "$events" --to "$gateway"
note "one more, to the detector at $detector, which answers at once:"
"$bin/levada" generate fraud --count 1 2>/dev/null | curl -sS --fail-with-body -d @- "$detector" |
  sed 's/^/      /'
if [[ -n $file ]]; then
  step "$file to $gateway"
  demo_py post --to "$gateway" "$file"
fi
step "Until everything has arrived"
demo_py wait-done --pid "$runner"
step "Stop: Ctrl-C to levada run, which drains"
code=0
if ! stop_pipeline; then
  code=1
  warn "levada run did not end well; logs are in $dir: $(tail -n 1 "$dir/run.log")"
fi
runner=""
demo_py report || code=1

if ! $stop; then
  cat <<END

${bold}Look further${plain}
  eval "\$(./dev shell-env)"        programs and addresses for this shell
  curl -s "$LEVADA_OPENSEARCH/$name-*/_search?q=outcome:block&size=3&pretty"
  .deps/venv/bin/python -c "import duckdb; duckdb.sql(\"select outcome, count(*), avg(score) from '${dir#"$ROOT"/}/data/lake/transactions/**/*.parquet' group by 1\").show()"
  ls ${LEVADA_SMTP_MAIL#"$ROOT"/}      the mails
  ls ${dir#"$ROOT"/}/state               each stage's log
  levada run manifests/samples/fraud-prevention.yaml --secrets ${dir#"$ROOT"/}/secrets
                                   runs it until Ctrl-C, with a live table
  ./dev servers down               stops the servers
END
fi
echo "${bold}Took $(elapsed).${plain}"
exit "$code"
