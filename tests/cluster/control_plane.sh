# shellcheck shell=bash disable=SC2154  # dir, deps and root come from tests/servers/lib.sh
# Sourced after tests/servers/lib.sh by what runs an API server: tests/servers/kubernetes.sh and node.sh.

kubernetes_bin="$deps/kubernetes/bin"
service_cidr=10.96.0.0/16
api_service_ip=10.96.0.1
# The command that the processes run in, e.g. to enter a network namespace.
within=()

# require_programs: what ./dev setup builds.
require_programs() {
  [[ -x $kubernetes_bin/hyperkube ]] || fail "Kubernetes is not built; run ./dev setup --kubernetes first"
}

# spawn_control_plane ADDRESS PORT NODE [FLAG…]: etcd on PORT+1 and PORT+2, and an API server on ADDRESS:PORT.
spawn_control_plane() {
  local address=$1 port=$2 node=$3 pki="$dir/pki" client peer
  client=http://127.0.0.1:$((port + 1))
  peer=http://127.0.0.1:$((port + 2))
  "$root/tests/cluster/certificates.sh" "$dir" "$node" "https://$address:$port" 127.0.0.1 "$address" "$api_service_ip"
  shift 3
  # No fsync: the data outlives kill -9, and that the machine loses power is not tested.
  spawn etcd "${within[@]}" "$kubernetes_bin/etcd" --name levada --data-dir "$dir/data/etcd" \
    --unsafe-no-fsync --log-level warn \
    --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "levada=$peer"
  spawn apiserver "${within[@]}" "$kubernetes_bin/kube-apiserver" --etcd-servers="$client" \
    --bind-address="$address" --advertise-address="$address" --secure-port="$port" \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" --authorization-mode=Node,RBAC --allow-privileged \
    --service-cluster-ip-range="$service_cidr" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/service-accounts.pub" \
    --service-account-signing-key-file="$pki/service-accounts.key" \
    --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$pki/front-proxy-ca.crt" \
    --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User \
    --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front-proxy-client.crt" \
    --proxy-client-key-file="$pki/front-proxy-client.key" \
    --cert-dir="$dir/data/apiserver" --profiling=false "$@"
}

# api PATH: what the API server answers the administrator.
api() {
  curl -sf -m 3 --noproxy '*' --cacert "$dir/pki/ca.crt" --cert "$dir/pki/admin.crt" --key "$dir/pki/admin.key" \
    "$api_url$1"
}

# api_ready: /readyz also says that the start-up hooks are done; the namespace comes a little later.
api_ready() { api /readyz >/dev/null 2>&1 && api /api/v1/namespaces/default >/dev/null 2>&1; }
