#!/usr/bin/env bash
# onnx_headers.sh DIR
# Puts ONNX Runtime's headers into DIR: from this system's libonnxruntime-dev, or else out of Debian 13's
# package, which a mirror of Debian has (LEVADA_DEBIAN_MIRROR, where this system does not use one).
set -euo pipefail
target=$1
package=libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb # headers are the same for every machine
checksum=14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08

mkdir -p "$target"
if [[ -f /usr/include/onnxruntime/onnxruntime_c_api.h ]]; then
  cp /usr/include/onnxruntime/*.h "$target"
  exit
fi
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' | grep -m 1 "/debian/\$" || true)
mirror=${LEVADA_DEBIAN_MIRROR:-$mirror}
[[ -n $mirror ]] || { echo "install libonnxruntime-dev, or name a mirror of Debian in LEVADA_DEBIAN_MIRROR" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl --fail --silent --show-error --location --retry 3 --output "$folder/$package" \
  "${mirror%/}/pool/main/o/onnxruntime/$package"
echo "$checksum  $folder/$package" | sha256sum --check --quiet
dpkg-deb -x "$folder/$package" "$folder"
cp "$folder"/usr/include/onnxruntime/*.h "$target"
