#!/usr/bin/env bash
# Usage: ./dev lint [FILE…]
# Check formatting, the shell scripts (shellcheck) and the C++ files (clang-tidy, the checks of .clang-tidy).
#
# Without FILE all C++ files are checked, which takes long; name the ones that you changed.
source "$(dirname "$0")/lib/common.sh"

clang_tidy=$(command -v clang-tidy-16 || command -v clang-tidy) || die "no clang-tidy here; run ./dev setup"
command -v shellcheck >/dev/null || die "no shellcheck here; run ./dev setup"
[[ -f build/release/compile_commands.json ]] || scripts/build.sh release
failed=0

steps 3
step "Formatting"
scripts/format.sh --check || failed=1

step "Shell scripts"
shellcheck --external-sources dev .ci/run scripts/*.sh scripts/lib/*.sh tests/servers/*.sh || failed=1

step "C++"
files=("$@")
if [[ ${#files[@]} == 0 ]]; then
  mapfile -t files < <(jq -r --arg root "$ROOT/" \
    '.[].file | select(startswith($root)) | select(contains("/build/") | not)' build/release/compile_commands.json)
fi
printf '%s\0' "${files[@]}" |
  xargs -0 -r -n 1 -P "$(nproc)" "$clang_tidy" -p build/release --quiet --warnings-as-errors='*' \
    2> >(grep -v 'warnings generated' >&2) || failed=1
[[ $failed == 0 ]] || die "there are findings"
echo "No findings."
