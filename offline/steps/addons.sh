# shellcheck shell=bash
# The images of what a test installs in a cluster that runs, under the names that its manifest in k8s-tests/manifests
# asks for. They stay in the local Engine, from where the tests load them into the nodes. Only for those who ask.

ADDON_NAMES='keda network-policies traefik'
ADDONS=()

choose_addons() { # choose_addons [--with NAME,...]
  local name
  if [ $# = 0 ]; then return; fi
  if [ $# != 2 ] || [ "$1" != --with ]; then
    echo "usage: offline/install [--with ${ADDON_NAMES// /,}]" >&2
    exit 2
  fi
  IFS=, read -ra ADDONS <<< "$2"
  for name in "${ADDONS[@]}"; do
    if [[ " $ADDON_NAMES " != *" $name "* ]]; then
      echo "offline/install: there is no add-on $name; there are: $ADDON_NAMES" >&2
      exit 2
    fi
  done
}

addon_chosen() { [[ " ${ADDONS[*]} " == *" $1 "* ]]; }

# make_addon_image IMAGE INPUTS FOLDER FILE:NAME... ARGUMENT... : the folder's Dockerfile, with these files beside it
make_addon_image() {
  local image=$1 inputs=$2 context
  if [ "$(image_inputs "$image")" = "$inputs" ]; then return; fi
  if [ -z "$(image_inputs "$image")" ] && image_exists "$image"; then
    # The official one is better wherever it can be had.
    say "      kept as it is: this $image was not made here"
    return
  fi
  context=$(mktemp -d)
  cp -r "$OFFLINE/addons/$3"/* "$context/"
  shift 3
  while [ $# != 0 ] && [[ $1 != --* ]]; do
    cp "${1%%:*}" "$context/${1##*:}"
    shift
  done
  part "$image" build_image "$image" "$context" --label "$LABEL=$inputs" "$@"
  rm -rf "$context"
}

make_addon_keda() {
  local inputs zones names name command image
  build keda 'adapter operator webhooks' -ldflags "-s -w -X github.com/kedacore/keda/v2/version.Version=${KEDA#v}"
  # For its cron trigger, whose time zones a static binary does not know.
  zones=$(go env GOROOT)/lib/time/zoneinfo.zip
  inputs=$({
    echo "$KEDA"
    cat "$OFFLINE/addons/keda"/* "$OFFLINE/steps/addons.sh" "$OFFLINE/modules/keda/go.sum"
  } | hash_stdin)
  # Their commands are called so in the official images, and in the manifest.
  for names in operator:keda:keda adapter:keda-adapter:keda-metrics-apiserver \
    webhooks:keda-admission-webhooks:keda-admission-webhooks; do
    IFS=: read -r name command image <<< "$names"
    make_addon_image "ghcr.io/kedacore/$image:${KEDA#v}" "$inputs" keda "$(binary "$name"):command" \
      "$zones:zoneinfo.zip" --build-arg "COMMAND=$command"
  done
}

make_addon_network_policies() {
  local inputs base
  build netpol netpol -ldflags '-s -w'
  inputs=$({
    echo "$NETPOL $NODE_SUITE $NETWORK_PACKAGES"
    cat "$OFFLINE/addons/network-policies"/* "$OFFLINE/steps/addons.sh" "$OFFLINE/modules/netpol/go.sum"
  } | hash_stdin)
  base=$(import_rootfs network "$NODE_SUITE" "$NETWORK_PACKAGES")
  make_addon_image "registry.k8s.io/networking/kube-network-policies:$NETPOL" "$inputs" network-policies \
    "$(binary netpol):kube-network-policies" --build-arg "BASE=$base"
}

make_addon_traefik() {
  local inputs
  build traefik traefik -ldflags "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=${TRAEFIK#v}"
  inputs=$({
    echo "$TRAEFIK"
    cat "$OFFLINE/addons/traefik"/{Dockerfile,prepare,*.go,ext/*} "$OFFLINE/steps/addons.sh" \
      "$OFFLINE/modules/traefik/go.sum"
  } | hash_stdin)
  make_addon_image "docker.io/library/traefik:$TRAEFIK" "$inputs" traefik "$(binary traefik):traefik"
  put_gateway_api
}

# Where k8s-tests/addons/traefik.py looks for it before it asks for the release's. Checked against go.sum.
put_gateway_api() {
  local module=sigs.k8s.io/gateway-api folder target=$ROOT/.tools/addons/gateway-api-$GATEWAY_API.yaml file
  folder=$(cd "$(go_modules gateway-api)" && go mod download "$module" &&
    go list -mod=readonly -m -f '{{.Dir}}' "$module")
  mkdir -p "$(dirname "$target")"
  for file in "$folder"/config/crd/standard/*.yaml; do
    echo ---
    cat "$file"
  done > "$target.new"
  mv "$target.new" "$target"
}
