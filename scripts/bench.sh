#!/usr/bin/env bash
# Usage: ./dev bench [NAME…]
# Measure: the benchmarks NAMEd, or all. What was measured before is in docs/benchmarks.md.
#
# A benchmark is benchmarks/bench_NAME.py (whole programs against a real Kafka) or the program
# build/release/bin/NAME_bench (one function). Servers that do not run are started, and stopped at
# the end. Leave the machine alone meanwhile.
source "$(dirname "$0")/lib/common.sh"
source "$(dirname "$0")/lib/with_servers.sh"

scripts/setup.sh
# Takes a while the first time.
[[ " $* " != *" operator "* && $# -gt 0 ]] || scripts/setup.sh --kubernetes
scripts/build.sh release
bin="$ROOT/build/release/bin"

all=()
for file in benchmarks/bench_*.py "$bin"/*_bench; do
  [[ -f $file ]] || continue
  name=$(basename "$file" .py)
  name=${name#bench_}
  all+=("${name%_bench}")
done
names=("$@")
[[ ${#names[@]} -gt 0 ]] || names=("${all[@]}")
[[ ${#names[@]} -gt 0 ]] || die "no benchmark in benchmarks/"
for name in "${names[@]}"; do
  [[ " ${all[*]} " == *" $name "* ]] || usage_error "no benchmark '$name'; there are ${all[*]}"
done

export LEVADA_BUILD_DIR="$ROOT/build/release"
start_servers kafka
steps ${#names[@]}
for name in "${names[@]}"; do
  step "$name"
  if [[ -f benchmarks/bench_$name.py ]]; then
    PYTHONPATH=tests "$VENV_PYTHON" "benchmarks/bench_$name.py"
  else
    "$bin/${name}_bench"
  fi
done
