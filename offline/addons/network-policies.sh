# shellcheck shell=bash
# kube-network-policies, which enforces NetworkPolicy, under the name of its official image. network-policies/netpol says
# what it needs beside the program.

NETPOL_IMAGE=registry.k8s.io/networking/kube-network-policies:$NETPOL

netpol_inputs() {
  {
    echo "$NETPOL_IMAGE $NODE_SUITE $NETWORK_PACKAGES"
    cat "$(go_modules netpol)/go.sum" "$OFFLINE/addons/network-policies.sh" "$OFFLINE"/network-policies/*
  } | hash_stdin
}

build_netpol_image() { # build_netpol_image INPUTS
  local context=$WORK/netpol-image base
  build netpol netpol -ldflags '-s -w'
  base=$(import_rootfs network "$NODE_SUITE" "$NETWORK_PACKAGES")
  mkdir -p "$context"
  cp "$OFFLINE"/network-policies/* "$context/"
  cp "$(binary netpol)" "$context/kube-network-policies"
  part "$NETPOL_IMAGE" build_image "$NETPOL_IMAGE" "$context" --label "$LABEL=$1" --build-arg "BASE=$base"
}

make_network-policies() { make_image "$NETPOL_IMAGE" "$(netpol_inputs)" build_netpol_image; }
