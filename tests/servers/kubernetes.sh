#!/usr/bin/env bash
# A real Kubernetes API server with its etcd on 127.0.0.1, and no more of Kubernetes: objects are kept,
# checked, defaulted and watched, and nothing acts on them. No pod runs, nothing is garbage-collected, a
# deleted namespace stays Terminating, and there are no ServiceAccount objects. The API is on PORT, etcd on
# PORT+1 and PORT+2. How to call it: lib.sh. A whole node: ./dev cluster.
source "$(dirname "$0")/lib.sh"
source "$servers/../cluster/control_plane.sh"
name=kubernetes
default_port=16443
ports="0 1 2"

launch() {
  require_programs
  # As no controller makes ServiceAccounts, their admission would refuse every pod; and an endpoint of
  # the Service "kubernetes" must not be a loopback address. Who names an owner that may not be deleted
  # before needs a right on that owner, as on OpenShift.
  spawn_control_plane 127.0.0.1 "$port" none \
    --disable-admission-plugins=ServiceAccount \
    --enable-admission-plugins=OwnerReferencesPermissionEnforcement --endpoint-reconciler-type=none
}

ready() {
  local api_url=https://127.0.0.1:$port
  port_taken "$port" && api_ready
}

describe() {
  echo "https://127.0.0.1:$port, kubeconfig $dir/admin.kubeconfig"
}

exports() {
  echo "LEVADA_KUBERNETES=https://127.0.0.1:$port"
  echo "LEVADA_KUBECONFIG=$dir/admin.kubeconfig"
}

server_main "$@"
