#!/usr/bin/env bash
# Usage: eval "$(./dev shell-env)"
# Print what a shell needs: the built programs in PATH, and the servers' addresses and log-ins.
source "$(dirname "$0")/lib/common.sh"

build=${LEVADA_BUILD_DIR:-$ROOT/build/release}
printf 'export PATH=%q:"$PATH"\n' "$build/bin"
for name in kafka opensearch smtp; do
  while IFS='=' read -r variable value; do
    printf 'export %s=%q\n' "$variable" "$value"
  done < <(tests/servers/"$name".sh exports)
done
