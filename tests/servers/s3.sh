#!/usr/bin/env bash
# An object store that speaks S3 (SeaweedFS) on 127.0.0.1: HTTP on PORT, HTTPS on PORT+1; both want signed
# requests. Its own parts are on the ports up to PORT+10. The bucket `levada` is there. How to call it: lib.sh.
source "$(dirname "$0")/lib.sh"
name=s3
default_port=19300
ports="0 1 2 3 4 5 6 7 8 9 10"

launch() {
  certificate
  cat >"$dir/identities.json" <<END
{"identities": [
  {"name": "admin", "credentials": [{"accessKey": "$user", "secretKey": "$password"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "reader", "credentials": [{"accessKey": "$user-reader", "secretKey": "$password-reader"}],
   "actions": ["Read:levada", "List:levada"]}
]}
END
  spawn s3 "$deps/s3/weed" mini -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -s3.config="$dir/identities.json" -s3.port="$port" -s3.port.https=$((port + 1)) \
    -s3.cert.file="$dir/cert.pem" -s3.key.file="$dir/key.pem" -s3.port.grpc=$((port + 2)) \
    -s3.port.iceberg=0 -s3.port.lance=0 -s3.allowedOrigins= \
    -master.port=$((port + 3)) -master.port.grpc=$((port + 4)) -master.telemetry=false \
    -volume.port=$((port + 5)) -volume.port.grpc=$((port + 6)) -volume.preStopSeconds=0 \
    -filer.port=$((port + 7)) -filer.port.grpc=$((port + 8)) -admin.ui=false -admin.port=$((port + 9)) \
    -admin.port.grpc=$((port + 10)) \
    -webdav=false
}

# bucket METHOD: PUT makes it, HEAD asks for it.
bucket() {
  local how=(-X "$1")
  [[ $1 != HEAD ]] || how=(-I)
  curl -sf -m 5 -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user "$user:$password" "${how[@]}" \
    "http://127.0.0.1:$port/levada"
}

# The filer answers before the volume server has told the master that it is there: until then an object that
# is stored is not found.
ready() {
  curl -sf -m 5 "http://127.0.0.1:$((port + 3))/dir/status" | grep -q '"DataNodes":\[{' || return 1
  bucket HEAD || bucket PUT
}

describe() {
  echo "http://127.0.0.1:$port"
  echo "https://127.0.0.1:$((port + 1)) (CA $dir/cert.pem)"
  echo "keys $user / $password; bucket levada"
}

exports() {
  echo "LEVADA_S3=http://127.0.0.1:$port"
  echo "LEVADA_S3_SECURE=https://127.0.0.1:$((port + 1))"
  echo "LEVADA_S3_USER=$user"
  echo "LEVADA_S3_PASSWORD=$password"
  echo "LEVADA_S3_CA=$dir/cert.pem"
  echo "LEVADA_S3_BUCKET=levada"
}

server_main "$@"
