#!/usr/bin/env bash
# Usage: ./dev format [--check]
# Format every C++ file with clang-format 16; --check only tells which files would change.
source "$(dirname "$0")/lib/common.sh"

clang_format=$(command -v clang-format-16 || command -v clang-format) || die "no clang-format here; run ./dev setup"
[[ $("$clang_format" --version) == *" 16."* ]] ||
  warn "$("$clang_format" --version) is not 16 and may format otherwise"
arguments=(-i)
case "${1:-}" in
  "") ;;
  --check) arguments=(--dry-run --Werror) ;;
  *) usage_error "unknown argument '$1'" ;;
esac
git ls-files -z --cached --others --exclude-standard -- '*.cc' '*.h' '*.inc' |
  xargs -0 -r -n 20 -P "$(nproc)" "$clang_format" --style=file "${arguments[@]}" ||
  die "files are not formatted; ./dev format does it"
