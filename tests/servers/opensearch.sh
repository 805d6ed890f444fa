#!/usr/bin/env bash
# One real OpenSearch node on 127.0.0.1: HTTP without log-in on PORT, HTTPS with basic auth on PORT+1
# (through secure_proxy.py: the node's own security plug-in is not to be had from Maven); the node's
# transport is on PORT+2. How to call it: lib.sh.
#
# DIR/control tells the HTTPS side to fail; see secure_proxy.py.
source "$(dirname "$0")/lib.sh"
name=opensearch
default_port=19200
ports="0 1 2"

launch() {
  certificate
  local heap=${LEVADA_OPENSEARCH_HEAP:-512m}
  spawn opensearch java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto \
    -Dlog4j2.level=WARN -cp "$deps/opensearch:$deps/opensearch/libs/*" \
    Launch "$dir/data" "$port" "$((port + 2))"
  spawn proxy "$python" "$servers/secure_proxy.py" --listen "$((port + 1))" --to "$port" \
    --dir "$dir" --user "$user" --password "$password"
}

ready() {
  curl -sf -m 3 -o /dev/null "http://127.0.0.1:$port/_cluster/health?wait_for_status=yellow&timeout=1s" &&
    port_taken $((port + 1))
}

describe() {
  echo "http://127.0.0.1:$port"
  echo "https://127.0.0.1:$((port + 1)) ($user / $password, CA $dir/cert.pem)"
}

exports() {
  echo "LEVADA_OPENSEARCH=http://127.0.0.1:$port"
  echo "LEVADA_OPENSEARCH_SECURE=https://127.0.0.1:$((port + 1))"
  echo "LEVADA_OPENSEARCH_USER=$user"
  echo "LEVADA_OPENSEARCH_PASSWORD=$password"
  echo "LEVADA_OPENSEARCH_CA=$dir/cert.pem"
}

server_main "$@"
