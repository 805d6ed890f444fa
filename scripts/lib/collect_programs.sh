#!/usr/bin/env bash
# collect_programs.sh BUILD-DIR DIR
# Puts into DIR what runs Levada: bin/, lib/levada/, and in share/levada/packages.txt the packages of this
# system that the programs need beside it.
set -euo pipefail
build=$1 target=$2

# owners FILE…: the packages that they are of; without /usr too, as some are known by their old names.
owners() { dpkg-query -S "$@" "${@#/usr}" 2>/dev/null | sed 's/:.*//' || true; }

rm -rf "$target"
cmake --install "$build" --prefix "$(realpath -m "$target")" --strip >/dev/null
mapfile -t libraries < <(
  for program in "$target"/bin/*; do ldd "$program"; done |
    awk '$2 == "=>" { print $3 }' | xargs -n 1 readlink -f | grep -v "^$(realpath "$target")/" | sort -u
)
mkdir -p "$target/share/levada"
{
  echo ca-certificates
  echo tzdata # expressions name time zones
  owners "${libraries[@]}"
} | sort -u >"$target/share/levada/packages.txt"
