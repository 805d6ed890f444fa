#!/usr/bin/env bash
# Usage: ./dev fuzz [NAME…] [--seconds N]
# Run the fuzzers (or those NAMEd) for N seconds each, default 60; the first crash ends it.
#
# They are built with clang, AddressSanitizer and UndefinedBehaviorSanitizer. Inputs worth keeping
# gather in .cache/fuzz/NAME; an input that crashes is written to .run/fuzz/NAME/ and its path printed:
#   build/fuzz/bin/NAME .run/fuzz/NAME/crash-…     runs that one again
# A fuzzer begins with the inputs in the folders that NAME.seeds beside it lists, if there is one.
source "$(dirname "$0")/lib/common.sh"

seconds=60
names=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --seconds)
      [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "--seconds needs a number"
      seconds=$2
      shift
      ;;
    -*) usage_error "unknown argument '$1'" ;;
    *) names+=("$1") ;;
  esac
  shift
done

build="$ROOT/build/fuzz"
# Which fuzzers there are is known when the build is configured.
mkdir -p "$build"
if [[ -f $build/build.ninja ]]; then
  ninja -C "$build" build.ninja
else
  cmake --preset fuzz
fi >"$build/configure.log" 2>&1 || { tail -n 30 "$build/configure.log" >&2; die "configuring failed"; }
# Every fuzzer's target ends in _fuzz; CMake's own that are named after them are none.
mapfile -t all < <(ninja -C "$build" -t targets all | sed -n 's/^\([a-z0-9_]*_fuzz\): phony$/\1/p' | grep -v '^cmake_' | sort -u)
[[ ${#all[@]} -gt 0 ]] || die "no fuzzer in this build"
[[ ${#names[@]} -gt 0 ]] || names=("${all[@]}")
for name in "${names[@]}"; do
  [[ " ${all[*]} " == *" $name "* ]] || usage_error "no fuzzer '$name'; there are ${all[*]}"
done

steps $((1 + ${#names[@]}))
step "Build"
scripts/build.sh fuzz "${names[@]}"
for name in "${names[@]}"; do
  step "$name, $seconds s"
  mkdir -p ".cache/fuzz/$name" "$RUN/fuzz/$name"
  seeds=()
  for list in core/*/"$name.seeds" services/*/"$name.seeds"; do
    [[ ! -f $list ]] || mapfile -t seeds <"$list"
  done
  "$build/bin/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$RUN/fuzz/$name/" ".cache/fuzz/$name" "${seeds[@]}" 2>"$RUN/fuzz/$name/log" || {
    tail -n 40 "$RUN/fuzz/$name/log" >&2
    die "$name found a fault"
  }
  note "$(sed -n 's/^stat::number_of_executed_units: */inputs run: /p' "$RUN/fuzz/$name/log")"
done
echo "No faults found."
