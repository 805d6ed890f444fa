#!/usr/bin/env bash
# build.sh
# Builds etcd, the Kubernetes programs and CoreDNS from programs/ into .deps/kubernetes/bin, and the images
# that a node needs before any other, into .deps/kubernetes/images. From nothing it takes minutes and two
# gigabytes of memory; ./dev setup --kubernetes calls it when something changed.
# Where modules come from is up to Go's own settings (GOPROXY and the like).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
deps="$(cd "$here/../.." && pwd)/.deps"
bin="$deps/kubernetes/bin"
wanted_go=$(awk '$1 == "go" { print $2 }' "$here/programs/go.mod")

# The version that the programs report is that of the module they are built from.
flags="-s -w"
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/programs/go.mod")
IFS=. read -r major minor _ <<<"${version#v}"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  flags+=" -X $package.gitTreeState=clean"
done

go=$("$here/../../scripts/lib/find_go.sh" "$wanted_go")
mkdir -p "$bin"
cd "$here/programs"
# Static, so that CoreDNS is an image by itself. -mod=readonly: go.sum says what is built, down to the byte.
CGO_ENABLED=0 GOTOOLCHAIN=local "$go" build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" -o "$bin/" ./cmd/...
for program in etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubelet; do
  ln -sf hyperkube "$bin/$program"
done

# image NAME: what is in $work/NAME as localhost/NAME:1.
images="$deps/kubernetes/images"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image() {
  local image_name=$1
  shift
  "$deps/venv/bin/python" "$here/make_image.py" "localhost/$image_name:1" "$work/$image_name" \
    "$images/$image_name.tar" "$@"
}
mkdir -p "$images" "$work"/{pause,coredns,busybox/bin,busybox/tmp}
gcc -Os -static -s -o "$work/pause/pause" "$here/pause.c"
image pause --entrypoint /pause --user 65535
cp "$bin/coredns" "$work/coredns/"
image coredns --entrypoint /coredns
# A shell for tests to look around in the cluster with.
cp "$(command -v busybox)" "$work/busybox/bin/busybox"
for command in $(busybox --list); do
  [[ $command == busybox ]] || ln -s busybox "$work/busybox/bin/$command"
done
chmod 1777 "$work/busybox/tmp"
image busybox --entrypoint /bin/sh
