#!/usr/bin/env bash
# Usage: ./dev build [PRESET] [TARGET…]
# Build everything (or the TARGETs): PRESET is release (default), dev, asan, tsan or fuzz.
#
# The result is in build/PRESET/bin. All cores are used; LEVADA_JOBS=N limits them.
source "$(dirname "$0")/lib/common.sh"

preset=${1:-release}
shift || true
case "$preset" in
  release | dev | asan | tsan | fuzz) ;;
  *) usage_error "no preset '$preset'; there are release, dev, asan, tsan and fuzz" ;;
esac
command -v cmake >/dev/null || die "no cmake here; run ./dev setup first"

jobs=${LEVADA_JOBS:-$(nproc)}
build="$ROOT/build/$preset"
targets=()
[[ $# == 0 ]] || targets=(--target "$@")
if [[ ! -f $build/build.ninja ]]; then
  echo "Configuring $preset"
  mkdir -p "$build"
  cmake --preset "$preset" >"$build/configure.log" 2>&1 || {
    tail -n 30 "$build/configure.log" >&2
    die "configuring failed; all of it is in $build/configure.log"
  }
fi
# Paths relative to this clone, so that another clone on this machine finds the same objects.
export CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1
NINJA_STATUS='[%f/%t %es] ' cmake --build "$build" --parallel "$jobs" "${targets[@]}"
echo "${bold}Built $preset in $(elapsed).${plain} Programs are in build/$preset/bin."
