#!/usr/bin/env bash
# One real Kafka broker (KRaft) on 127.0.0.1: plaintext on PORT, SASL_SSL (PLAIN and SCRAM)
# on PORT+2; the controller is on PORT+1. For the pods of ./dev cluster: plaintext on PORT+3, SASL_SSL on
# PORT+4. How to call it: lib.sh.
source "$(dirname "$0")/lib.sh"
name=kafka
default_port=19092
ports="0 1 2 3 4"

launch() {
  certificate
  cat "$dir/key.pem" "$dir/cert.pem" >"$dir/keystore.pem"
  sed -e "s#@PORT@#$port#g; s#@CONTROLLER_PORT@#$((port + 1))#g; s#@SECURE_PORT@#$((port + 2))#g" \
    -e "s#@PODS_PORT@#$((port + 3))#g; s#@PODS_SECURE_PORT@#$((port + 4))#g; s#@PODS_ADDRESS@#$pods_address#g" \
    -e "s#@DIR@#$dir#g; s#@USER@#$user#g; s#@PASSWORD@#$password#g" \
    "$servers/kafka/server.properties" >"$dir/server.properties"
  local java=(java -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto
    "-Dlog4j2.configurationFile=$servers/kafka/log4j2.properties" -cp "$deps/kafka/libs/*")
  if [[ ! -f $dir/data/meta.properties ]]; then
    "${java[@]}" -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format \
      --cluster-id MkU3OEVBNTcwNTJENDM2Qk --config "$dir/server.properties" \
      --add-scram "SCRAM-SHA-256=[name=$user,password=$password]" \
      --add-scram "SCRAM-SHA-512=[name=$user,password=$password]" >"$dir/format.log" 2>&1 ||
      { cat "$dir/format.log" >&2; fail "could not format its data folder"; }
  fi
  local heap=${LEVADA_KAFKA_HEAP:-384m}
  spawn kafka "${java[@]}" "-Xms$heap" "-Xmx$heap" kafka.Kafka "$dir/server.properties"
}

# A broker answers the port before it serves metadata: ask for it.
ready() {
  port_taken "$port" && "$python" - "127.0.0.1:$port" 2>/dev/null <<'PYTHON'
import sys
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1], "log_level": 0})
sys.exit(not admin.list_topics(timeout=3).brokers)
PYTHON
}

describe() {
  echo "127.0.0.1:$port"
  echo "127.0.0.1:$((port + 2)) (SASL_SSL, PLAIN or SCRAM: $user / $password, CA $dir/cert.pem)"
}

exports() {
  echo "LEVADA_KAFKA=127.0.0.1:$port"
  echo "LEVADA_KAFKA_SECURE=127.0.0.1:$((port + 2))"
  echo "LEVADA_KAFKA_PODS=$pods_address:$((port + 3))"
  echo "LEVADA_KAFKA_PODS_SECURE=$pods_address:$((port + 4))"
  echo "LEVADA_KAFKA_USER=$user"
  echo "LEVADA_KAFKA_PASSWORD=$password"
  echo "LEVADA_KAFKA_CA=$dir/cert.pem"
}

server_main "$@"
