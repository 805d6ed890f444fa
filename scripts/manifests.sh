#!/usr/bin/env bash
# Usage: ./dev manifests [--check]
# Write anew what is made from manifests/crd and charts/levada; --check fails when something is stale.
#
# That is the chart's copy of the CRD, and manifests/install.yaml: the chart with its defaults, without the CRD,
# for `kubectl apply -k manifests`. Needs Helm: ./dev setup --kubernetes.
source "$(dirname "$0")/lib/common.sh"

check=false
case "${1:-}" in
  "") ;;
  --check) check=true ;;
  *) usage_error "unknown argument '$1'" ;;
esac
helm=$DEPS/kubernetes/bin/helm
[[ -x $helm ]] || helm=$(command -v helm) || die "no Helm here; run ./dev setup --kubernetes first"

name_space=levada-system
crd=manifests/crd/pipelines.levada.dev.yaml
copy=charts/levada/files/pipelines.levada.dev.yaml
install=manifests/install.yaml
stale=0

# The Namespace is Helm's to make with --create-namespace; labels and comments of Helm's would be untrue here.
render() {
  cat <<END
# Made from charts/levada by \`./dev manifests\`; a test fails when it is stale. The operator with the chart's
# defaults; the CRD is in crd/, so that deleting this deletes no pipeline.
apiVersion: v1
kind: Namespace
metadata:
  name: $name_space
  labels:
    app.kubernetes.io/part-of: levada
    pod-security.kubernetes.io/enforce: restricted
END
  "$helm" template levada charts/levada --namespace "$name_space" --set crds.install=false --skip-tests |
    sed -e '/^# Source: /d' -e '/app.kubernetes.io\/managed-by: Helm$/d' -e '/helm.sh\/chart: /d'
}

# update FILE: makes it what comes in, or with --check says when it is not.
update() {
  local new
  new=$(cat)
  if [[ $new == "$(cat "$1" 2>/dev/null)" ]]; then return; fi
  if $check; then
    warn "$1 is stale"
    stale=1
  else
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$new" >"$1"
    echo "wrote $1"
  fi
}

update "$copy" < <(cat "$crd")
# Before it is compared: what `render` fails with would look like a stale file.
rendered=$(render)
update "$install" <<<"$rendered"
[[ $stale == 0 ]] || die "./dev manifests writes them"
