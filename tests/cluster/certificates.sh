#!/usr/bin/env bash
# certificates.sh DIR NODE URL ADDRESS…
# Makes the keys and certificates of a Kubernetes cluster in DIR/pki, once, and its kubeconfigs,
# DIR/USER.kubeconfig, which name the API server by URL. NODE is the node's name; the API server's and
# the kubelet's certificates are valid for each ADDRESS.
set -euo pipefail
dir=$1 node=$2 url=$3
shift 3
addresses=("$@")
mkdir -p "$dir/pki"
cd "$dir/pki"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# authority NAME: a CA of its own.
authority() {
  new_key "$1"
  openssl req -x509 -new -sha256 -days 3650 -key "$1.key" -subj "/CN=$1" -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

# certificate NAME CA SUBJECT USAGE [ALTERNATIVE-NAMES]: signed by CA. The subject's O is the user's group.
certificate() {
  new_key "$1"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=digitalSignature"
    echo "extendedKeyUsage=$4"
    [[ $# -lt 5 ]] || echo "subjectAltName=$5"
  } >"$1.extensions"
  openssl req -new -sha256 -key "$1.key" -subj "$3" |
    openssl x509 -req -sha256 -days 3650 -CA "$2.crt" -CAkey "$2.key" -CAcreateserial \
      -extfile "$1.extensions" -out "$1.crt" 2>/dev/null
  rm "$1.extensions"
}

make_all() {
  local ips in_cluster=DNS:kubernetes
  ips=$(printf ',IP:%s' "${addresses[@]}")
  in_cluster+=,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  authority ca
  authority front-proxy-ca # signs who may speak for others; must not be the CA of ordinary users
  certificate apiserver ca /CN=kube-apiserver serverAuth "$in_cluster,DNS:localhost$ips"
  certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
  certificate kubelet ca "/O=system:nodes/CN=system:node:$node" clientAuth,serverAuth "DNS:$node$ips"
  certificate admin ca /O=system:masters/CN=kubernetes-admin clientAuth
  for user in controller-manager scheduler proxy; do
    certificate "$user" ca "/CN=system:kube-$user" clientAuth
  done
  new_key service-accounts
  openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
}

# kubeconfig USER: with everything in it, so that the file can be copied anywhere.
kubeconfig() {
  cat >"$dir/$1.kubeconfig.new" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: levada
  cluster: {server: "$url", certificate-authority-data: $(base64 -w0 ca.crt)}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}
contexts:
- name: levada
  context: {cluster: levada, user: $1}
current-context: levada
YAML
  mv "$dir/$1.kubeconfig.new" "$dir/$1.kubeconfig"
}

umask 077
if [[ ! -f complete ]]; then
  make_all
  touch complete
fi
for user in admin controller-manager scheduler proxy kubelet; do kubeconfig "$user"; done
