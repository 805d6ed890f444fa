#!/usr/bin/env bash
# A whole Kubernetes of one node in a network namespace of its own: etcd, API server, controllers,
# scheduler, containerd, kubelet, kube-proxy, CoreDNS and a default storage class (volumes.py). Needs root.
# How to call it: ../servers/lib.sh, except that stop and kill remove everything it made, its data included; also
#   SCRIPT load FILE…   brings images, each a tar file, to the node
# The addresses are fixed, so there is one such node on a machine:
#   10.199.0.1  this machine, as the node and its pods see it; behind it the servers of ../servers (forward.py)
#   10.199.0.2  the node, with the API server on port 6443
# From this machine pods (10.244.0.0/24) and services (10.96.0.0/16) are reached as from the node.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../servers/lib.sh"
source "$here/control_plane.sh"
name=cluster
default_port=6443
ports=""

node=levada
netns=levada
link=levada0
node_ip=10.199.0.2
pod_cidr=10.244.0.0/24
dns_ip=10.96.0.10
# kubectl goes straight to it, whatever proxy the world outside is reached through.
export NO_PROXY="${NO_PROXY:+$NO_PROXY,}$node_ip"
# Not `ip netns exec`, which hides the cgroups.
in_node=(nsenter "--net=/run/netns/$netns")

describe() {
  echo "https://$node_ip:$port, kubeconfig $dir/admin.kubeconfig"
  echo "pods reach this machine's servers at $pods_address (host.levada.internal)"
}

exports() { echo "LEVADA_CLUSTER_KUBECONFIG=$dir/admin.kubeconfig"; }

progress() { echo "  ${SECONDS}s $*"; }
kubectl() { "$kubernetes_bin/kubectl" --kubeconfig "$dir/admin.kubeconfig" "$@"; }
containers() { timeout 60 ctr --address "$dir/run/containerd.sock" -n k8s.io "$@"; }

# until_true SECONDS WHAT COMMAND…
until_true() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    running || fail "a process ended before $what; logs are in $dir"
    [[ $SECONDS -lt $deadline ]] || fail "no $what in time; logs are in $dir"
    sleep 0.1
  done
  progress "$what"
}

check() {
  [[ $(id -u) == 0 ]] || fail "a node needs root: network namespaces, mounts and cgroups; use sudo, or a cluster of your own (KUBECONFIG)"
  require_programs
  local program
  for program in containerd ctr runc iptables ipset conntrack ip nsenter; do
    command -v "$program" >/dev/null || fail "no $program here; run ./dev setup --kubernetes first"
  done
  # The longest socket path below DIR; the kernel allows 107 characters.
  local socket=$dir/kubelet/pod-resources/kubelet.sock
  [[ ${#socket} -le 107 ]] || fail "the path $dir is too long for Unix sockets; set LEVADA_SERVERS_DIR to a short one"
  [[ ! -e /run/netns/$netns ]] ||
    fail "there is a network namespace '$netns': another checkout's cluster runs; stop it there first"
}

# write_config: the files of config/ with this node's addresses, in DIR/run.
write_config() {
  local file
  mkdir -p "$dir/run/cni" "$dir/pods"
  for file in "$here"/config/*; do
    sed -e "s#@DIR@#$dir#g; s#@NODE@#$node#g; s#@NODE_IP@#$node_ip#g; s#@DNS_IP@#$dns_ip#g" \
      -e "s#@POD_CIDR@#$pod_cidr#g" "$file" >"$dir/run/$(basename "$file")"
  done
  mv "$dir/run/pods.conflist" "$dir/run/cni/"
  : >"$dir/run/resolv.conf"
}

# The host's addresses and iptables stay as they are; its routes to the node go with the link. The node
# has no route past this machine, whatever this machine forwards.
make_network() {
  touch "$dir/run/network"
  ip netns add "$netns"
  ip link add "$link" type veth peer name eth0 netns "$netns"
  ip address add "$pods_address/24" dev "$link"
  ip link set "$link" up
  "${in_node[@]}" ip link set lo up
  "${in_node[@]}" ip address add "$node_ip/24" dev eth0
  "${in_node[@]}" ip link set eth0 up
  # The node's own processes choose a route before kube-proxy's rules change the destination.
  "${in_node[@]}" ip route add "$service_cidr" dev eth0
  "${in_node[@]}" sysctl -qw net.ipv4.ip_forward=1
  ip route add "$service_cidr" via "$node_ip"
  ip route add "$pod_cidr" via "$node_ip"
}

# The servers that ./dev servers starts, each on the port that it has here, whether it runs yet or not.
spawn_forwards() {
  local server forwarded=()
  for server in kafka opensearch s3 smtp; do
    mapfile -t -O "${#forwarded[@]}" forwarded < <(
      "$servers/$server.sh" exports | grep -oE "(127\.0\.0\.1|${pods_address//./\\.}):[0-9]+" | cut -d: -f2
    )
  done
  spawn forward "$python" "$here/forward.py" --address "$pods_address" "${forwarded[@]}"
}

spawn_controllers() {
  local pki="$dir/pki" program common
  for program in controller-manager scheduler; do
    common=(--kubeconfig="$dir/$program.kubeconfig" --authentication-kubeconfig="$dir/$program.kubeconfig"
      --authorization-kubeconfig="$dir/$program.kubeconfig" --leader-elect=false --bind-address=127.0.0.1
      --cert-dir="$dir/run" --profiling=false --kube-api-qps=1000 --kube-api-burst=1000)
    if [[ $program == controller-manager ]]; then
      common+=(--service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt"
        --client-ca-file="$pki/ca.crt" --requestheader-client-ca-file="$pki/front-proxy-ca.crt"
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key"
        --use-service-account-credentials --horizontal-pod-autoscaler-sync-period=5s)
    fi
    spawn "$program" "${within[@]}" "$kubernetes_bin/kube-$program" "${common[@]}"
  done
}

spawn_node() {
  spawn kubelet "${within[@]}" "$kubernetes_bin/kubelet" --config="$dir/run/kubelet.yaml" \
    --kubeconfig="$dir/kubelet.kubeconfig" --hostname-override="$node" --node-ip="$node_ip" \
    --root-dir="$dir/kubelet" --cert-dir="$dir/run"
  spawn proxy "${within[@]}" "$kubernetes_bin/kube-proxy" --config="$dir/run/kube-proxy.yaml"
}

load() {
  local image
  for image in "$@"; do
    containers images import "$image" >>"$dir/import.log" 2>&1 ||
      { tail -n 5 "$dir/import.log" >&2; fail "could not import $image"; }
  done
}

launch() {
  check
  trap remove_all EXIT # whatever ends it half-way, be it Ctrl-C
  write_config
  make_network
  within=("${in_node[@]}")
  spawn containerd "${within[@]}" containerd --config "$dir/run/containerd.toml"
  spawn_control_plane "$node_ip" "$port" "$node" --enable-admission-plugins=NodeRestriction
  spawn_forwards
  until_true 60 "containerd" containers version
  load "$deps"/kubernetes/images/*.tar
  progress "images of the node's own"
  local api_url=https://$node_ip:$port
  until_true 120 "API server" api_ready
  spawn_controllers
  spawn_node
  spawn volumes "$python" "$here/volumes.py" --url "$api_url" --pki "$dir/pki" --folder "$dir/volumes" --node "$node"
  kubectl apply -f "$here/manifests" >/dev/null
  until_true 120 "node registered" kubectl get node "$node"
  until_true 120 "node ready" kubectl wait --for=condition=Ready "node/$node" --timeout=1s
  until_true 60 "service account for pods" kubectl get serviceaccount default
  until_true 120 "DNS" kubectl -n kube-system rollout status deployment/coredns --timeout=1s
  trap - EXIT
}

ready() { kubectl get --raw /readyz >/dev/null 2>&1; }

# Containers outlive containerd: they are ended while it still answers.
remove_containers() {
  local ids
  [[ -S $dir/run/containerd.sock ]] || return 0
  mapfile -t ids < <(containers tasks ls -q 2>/dev/null)
  [[ ${#ids[@]} == 0 ]] || containers tasks delete -f "${ids[@]}" >/dev/null 2>&1 || true
  mapfile -t ids < <(containers containers ls -q 2>/dev/null)
  [[ ${#ids[@]} == 0 ]] || containers containers delete "${ids[@]}" >/dev/null 2>&1 || true
}

# kill_shims: of containers that containerd could not end; each shim names this node's socket.
kill_shims() {
  local process command
  for process in /proc/[0-9]*; do
    command=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
    if [[ $command == *containerd-shim*" $dir/run/containerd.sock "* ]]; then
      kill -KILL "${process#/proc/}" 2>/dev/null || true
    fi
  done
}

# end PROCESS…: asks these processes only to end, and waits for it.
end() {
  local process pid start deadline
  for process in "$@"; do
    [[ -f $dir/$process.pid ]] || continue
    read -r pid start <"$dir/$process.pid"
    deadline=$((SECONDS + 5))
    while [[ -n $start && $(start_time "$pid") == "$start" && $SECONDS -lt $deadline ]]; do
      kill -TERM "$pid" 2>/dev/null || true
      sleep 0.05
    done
  done
}

unmount_below() {
  awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount -l
}

remove_network() {
  ip link delete "$link" 2>/dev/null || true
  ip netns delete "$netns" 2>/dev/null || true
}

# remove_traces: what kubelet, containerd and the network plug-ins write to places that nobody can choose.
# What may be another program's stays: folders go when they are empty, groups when they have no processes.
remove_traces() {
  local file group
  for file in /var/lib/cni/results/levada-pods-*; do
    [[ -e $file ]] || continue
    file=${file#*levada-pods-}
    rm -f "/var/lib/cni/results/"{levada-pods-"$file","cni-loopback-${file%-*}-lo"}
  done
  [[ ! -d /var/log/containers ]] || find /var/log/containers -lname "$dir/pods/*" -delete
  [[ ! -S /var/lib/kubelet/device-plugins/kubelet.sock ]] || rm /var/lib/kubelet/device-plugins/kubelet.sock
  rmdir -p /var/lib/cni/results /var/lib/kubelet/device-plugins /var/log/containers /run/containerd/s \
    2>/dev/null || true
  for group in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
    [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
}

# remove_all: in whatever state it is, in an order in which nothing is made anew. Logs stay.
remove_all() {
  trap - EXIT
  trap '' INT # a second Ctrl-C must not leave half of it
  signal CONT
  end kubelet proxy
  remove_containers
  end containerd
  signal KILL # what is left keeps nothing that is not removed below
  gone 10 || fail "could not be stopped"
  kill_shims
  unmount_below "$dir"
  if [[ -f $dir/run/network ]]; then # made by this node, and not by one of another checkout
    remove_network
    remove_traces
  fi
  find "$dir" -mindepth 1 -maxdepth 1 ! -name lock ! -name '*.log' -exec rm -rf {} +
}

do_kill() { [[ ! -d $dir/run ]] || remove_all; }

do_stop() {
  do_kill
  rm -f "$dir"/*.log
}

if [[ ${1:-} == load ]]; then
  shift
  dir="${LEVADA_SERVERS_DIR:-$root/.run/servers}/$name"
  running || fail "does not run; start it first"
  load "$@"
else
  server_main "$@"
fi
