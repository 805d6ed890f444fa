#!/usr/bin/env bash
# Usage: ./dev images [--base IMAGE]
# Make the container image of Levada's programs; neither Docker nor a registry is needed.
#
#   --base IMAGE  what it is made from, e.g. debian:12-slim; default: a small system of this one's own
#                 distribution, made of its packages
#
# The image is localhost/levada:dev in Podman's store and build/images/levada.tar, which ./dev cluster load
# brings to the cluster. LEVADA_BUILD_DIR names a build other than build/release; that one is taken as it is.
# The Dockerfile is the same that `docker build` uses. Needs ./dev setup --kubernetes, and root.
source "$(dirname "$0")/lib/common.sh"

image=localhost/levada:dev
base=""
while [[ $# -gt 0 ]]; do
  case "$1" in
    --base)
      [[ $# -ge 2 ]] || usage_error "--base needs an image"
      base=$2
      shift
      ;;
    *) usage_error "unknown argument '$1'" ;;
  esac
  shift
done

for program in podman mmdebstrap runc; do
  command -v "$program" >/dev/null || die "no $program here; run ./dev setup --kubernetes first"
done
[[ $(id -u) == 0 ]] || die "making images needs root"
# Podman's usual run-time program, crun, refuses machines that mix both versions of cgroups.
podman=(podman --runtime "$(command -v runc)")

# make_base: sets `base` to a system that has the programs' packages and little else. It is made anew when
# their list changes.
make_base() {
  local packages suite
  packages=$(paste -sd, build/image/share/levada/packages.txt)
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  base=localhost/levada-base:$(echo "$suite $packages" | sha256sum | head -c 12)
  if podman image exists "$base"; then
    note "is there already"
    return
  fi
  mmdebstrap --quiet --variant=essential --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" - | podman import --quiet - "$base" >/dev/null || {
    podman image rm --ignore "$base" >/dev/null # the half of one that came through is no base
    die "no base could be made of packages; is their archive reachable?"
  }
}

# starts: whether every program finds its libraries in the image, and runs without root. The limits are
# low because Podman would raise them, which takes a right that CI machines may not give.
starts() {
  local program
  for program in build/image/bin/*; do
    "${podman[@]}" run --rm --network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 --read-only "$image" "$(basename "$program")" --help >/dev/null ||
      die "$(basename "$program") does not start in the image"
  done
}

steps 4
step "Programs"
[[ -n ${LEVADA_BUILD_DIR:-} ]] || scripts/build.sh release
scripts/lib/collect_programs.sh "${LEVADA_BUILD_DIR:-build/release}" build/image
step "Base"
[[ -n $base ]] || make_base
step "Image $image"
"${podman[@]}" build --quiet --network=none --build-arg "BASE=$base" --build-arg PROGRAMS=prebuilt \
  --tag "$image" . >/dev/null
# What had the name before, and what was made on the way.
podman image prune --force --filter label=org.opencontainers.image.title=levada >/dev/null
starts
step "build/images/levada.tar"
mkdir -p build/images
rm -f build/images/levada.tar
podman save --quiet --format docker-archive --output build/images/levada.tar "$image"
du -h --apparent-size build/image/bin/* build/image/lib/levada/* build/images/levada.tar | sed 's/^/      /'
echo "${bold}$image made in $(elapsed).${plain}"
