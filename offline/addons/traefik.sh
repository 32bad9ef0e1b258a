# shellcheck shell=bash
# Traefik, an Ingress controller and an implementation of the Gateway API, under the name of its official image; and the
# custom resources of the Gateway API. It has no dashboard (the module comes without its files) and no DNS challenges
# (../traefik/prepare).

TRAEFIK_IMAGE=docker.io/library/traefik:$TRAEFIK

traefik_inputs() {
  {
    echo "$TRAEFIK_IMAGE"
    cat "$(go_modules traefik)/go.sum" "$OFFLINE/addons/traefik.sh" "$OFFLINE"/traefik/{prepare,dns_providers.go,ext/*}
  } | hash_stdin
}

build_traefik() { # build_traefik INPUTS
  build traefik traefik -ldflags "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=${TRAEFIK#v}"
  one_binary_image "$TRAEFIK_IMAGE" "$(binary traefik)" /traefik 'ENTRYPOINT ["/traefik"]' "LABEL $LABEL=$1"
}

make_traefik() {
  local folder
  make_image "$TRAEFIK_IMAGE" "$(traefik_inputs)" build_traefik
  folder=$(module_folder gateway-api sigs.k8s.io/gateway-api)
  put_manifest "gateway-api-$GATEWAY_API.yaml" "$folder"/config/crd/standard/*.yaml
}
