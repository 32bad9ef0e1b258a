# shellcheck shell=bash
# The images of what a test installs in a cluster that runs, under the names that its manifest in k8s-tests/manifests
# asks for. They stay in the local Engine, from where the tests load them into the nodes. Only for those who ask.

ADDONS=()

choose_addons() { # choose_addons [--with NAME,...]
  local name
  if [ $# = 0 ]; then return; fi
  if [ $# != 2 ] || [ "$1" != --with ]; then
    echo "usage: offline/install [--with keda,network-policies]" >&2
    exit 2
  fi
  IFS=, read -ra ADDONS <<< "$2"
  for name in "${ADDONS[@]}"; do
    case $name in
      keda | network-policies) ;;
      *)
        echo "offline/install: there is no add-on $name; there are keda and network-policies" >&2
        exit 2
        ;;
    esac
  done
}

addon_chosen() { [[ " ${ADDONS[*]} " == *" $1 "* ]]; }

# make_addon_image IMAGE INPUTS FOLDER FILE:NAME... ARGUMENT... : the folder's Dockerfile, with these files beside it
make_addon_image() {
  local image=$1 inputs=$2 context
  if [ "$(image_inputs "$image")" = "$inputs" ]; then return; fi
  context=$(mktemp -d)
  cp "$OFFLINE/addons/$3"/* "$context/"
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
