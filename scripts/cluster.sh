#!/usr/bin/env bash
# Usage: ./dev cluster up|down|status|load [--node] [IMAGE-FILE…]
# Have a Kubernetes to run pods on: yours, kind, or a node made here.
#
#   up      makes one where there is none, waits until it runs pods, and says how to reach it
#   down    removes what up made, with all its data; a cluster of your own is left alone
#   status  which one it is, and its nodes; exit code 3 when there is none
#   load    brings images to it: the files, or else those of ./dev images
#
# Which cluster: the one of KUBECONFIG where that is set; else one of kind where kind and Docker are
# there; else, or with --node, one node in a network namespace of this machine, from containerd and the
# Kubernetes that ./dev setup --kubernetes builds. That one needs root; its pods reach the servers of
# ./dev servers at 10.199.0.1 (host.levada.internal), for Kafka at LEVADA_KAFKA_PODS.
source "$(dirname "$0")/lib/common.sh"

node=tests/cluster/node.sh
kubectl=$DEPS/kubernetes/bin/kubectl
[[ -x $kubectl ]] || kubectl=kubectl
kind_kubeconfig=$RUN/cluster/kind.kubeconfig

own_kubeconfig() { "$node" exports | sed -n 's/^LEVADA_CLUSTER_KUBECONFIG=//p'; }
kind_usable() { command -v kind >/dev/null && docker info >/dev/null 2>&1; }

# choose: sets `cluster` to node, current or kind, and KUBECONFIG to that cluster's.
choose() {
  if $own || "$node" alive || [[ ${KUBECONFIG:-} == "$(own_kubeconfig)" ]]; then
    cluster=node
    KUBECONFIG=$(own_kubeconfig)
  elif [[ -n ${KUBECONFIG:-} ]]; then
    cluster=current
  elif kind_usable; then
    cluster=kind
    KUBECONFIG=$kind_kubeconfig
  else
    cluster=node
    KUBECONFIG=$(own_kubeconfig)
  fi
  if [[ $cluster == node ]]; then export NO_PROXY='*'; fi # it is on this machine
  export KUBECONFIG
}

reachable() { "$kubectl" get --raw /readyz --request-timeout=10s >/dev/null 2>&1; }

has_kind_cluster() { kind get clusters 2>/dev/null | grep -qx levada; }

up() {
  case "$cluster" in
    current) reachable || die "the cluster of KUBECONFIG=$KUBECONFIG does not answer; unset KUBECONFIG for one made here" ;;
    kind)
      mkdir -p "$(dirname "$kind_kubeconfig")"
      if has_kind_cluster; then
        kind export kubeconfig --name levada --kubeconfig "$KUBECONFIG"
      else
        kind create cluster --name levada --kubeconfig "$KUBECONFIG" --wait 120s
      fi
      ;;
    node)
      require_setup
      if "$node" alive; then echo "The node runs already."; else echo "Starting a node"; fi
      "$node" start
      ;;
  esac
  show
  echo "Ready in $(elapsed). To use it: export KUBECONFIG=$KUBECONFIG"
}

down() {
  case "$cluster" in
    current) echo "KUBECONFIG=$KUBECONFIG is a cluster of your own, which is left as it is." ;;
    kind) kind delete cluster --name levada --kubeconfig "$KUBECONFIG" ;;
    node)
      "$node" stop
      echo "No node runs, and nothing is left of it."
      ;;
  esac
}

show() {
  case "$cluster" in
    node) "$node" status || return 3 ;;
    kind) has_kind_cluster || { echo "no cluster in kind"; return 3; } ;;
  esac
  reachable || { echo "the cluster of KUBECONFIG=$KUBECONFIG does not answer"; return 3; }
  "$kubectl" get nodes -o wide
}

load() {
  [[ ${#files[@]} -gt 0 ]] || files=("$ROOT"/build/images/*.tar)
  [[ -f ${files[0]} ]] || die "no images in build/images; run ./dev images first"
  case "$cluster" in
    current)
      [[ $("$kubectl" config current-context) == kind-* ]] ||
        die "images reach a cluster of your own through its registry: push them there and say so to Helm"
      kind_load "$("$kubectl" config current-context | sed 's/^kind-//')"
      ;;
    kind) kind_load levada ;;
    node) "$node" load "${files[@]}" ;;
  esac
  printf 'loaded %s\n' "${files[@]##*/}"
}

kind_load() {
  local file
  for file in "${files[@]}"; do kind load image-archive "$file" --name "$1"; done
}

action=${1:-status}
shift || true
own=false
files=()
for argument in "$@"; do
  if [[ $argument == --node ]]; then
    own=true
  elif [[ $action == load ]]; then
    [[ -f $argument ]] || die "no file $argument"
    files+=("$argument")
  else
    usage_error "unknown argument '$argument'"
  fi
done
case "$action" in
  up | down | load) choose; "$action" ;;
  status) choose; show ;;
  *) usage_error "no action '$action'; there are up, down, status and load" ;;
esac
