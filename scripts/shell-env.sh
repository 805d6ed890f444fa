#!/usr/bin/env bash
# Usage: eval "$(./dev shell-env)"
# Print what a shell needs: the built programs in PATH, and the servers' addresses and log-ins.
source "$(dirname "$0")/lib/common.sh"

build=${LEVADA_BUILD_DIR:-$ROOT/build/release}
printf 'export PATH=%q:"$PATH"\n' "$build/bin"
names=(kafka opensearch s3 smtp)
# Nobody starts it unasked, and tests that want one are skipped where this variable is not set.
if tests/servers/kubernetes.sh alive; then names+=(kubernetes); fi
for name in "${names[@]}"; do
  while IFS='=' read -r variable value; do
    printf 'export %s=%q\n' "$variable" "$value"
  done < <(tests/servers/"$name".sh exports)
done
