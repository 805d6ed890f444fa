#!/usr/bin/env bash
# Usage: ./dev docs [--check]
# Write the generated references in docs/reference/ and the CRD in manifests/crd/ anew; --check fails when one of them is stale.
#
# Each is a build target NAME-reference that writes it and a test NAME_reference that compares it.
source "$(dirname "$0")/lib/common.sh"

check=false
case "${1:-}" in
  "") ;;
  --check) check=true ;;
  *) usage_error "unknown argument '$1'" ;;
esac
[[ -f build/release/build.ninja ]] || scripts/setup.sh
scripts/build.sh release levada-docgen levada-settingsgen levada-crdgen
if $check; then
  ctest --test-dir build/release -R '_reference$' --output-on-failure --no-tests=error ||
    die "a reference is stale; ./dev docs writes it"
else
  mapfile -t targets < <(ninja -C build/release -t targets all | sed -n 's/^\([a-z0-9-]*-reference\): phony$/\1/p')
  [[ ${#targets[@]} -gt 0 ]] || die "no target that ends in -reference"
  scripts/build.sh release "${targets[@]}"
  git status --short -- docs/reference manifests/crd
fi
