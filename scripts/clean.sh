#!/usr/bin/env bash
# Usage: ./dev clean [--all]
# Remove what was built and the servers' data; --all also what ./dev setup fetched into .deps/.
source "$(dirname "$0")/lib/common.sh"

all=false
case "${1:-}" in
  "") ;;
  --all) all=true ;;
  *) usage_error "unknown argument '$1'" ;;
esac
for name in kafka opensearch s3 smtp kubernetes; do tests/servers/"$name".sh stop; done
tests/cluster/node.sh stop
removed=(build .run .cache levada-data)
if $all; then removed+=(.deps); fi
rm -rf "${removed[@]}"
echo "Removed ${removed[*]}"
