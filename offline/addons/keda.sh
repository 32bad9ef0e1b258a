# shellcheck shell=bash
# KEDA's three programs, each under the name of its official image.

keda_inputs() {
  {
    echo "$KEDA"
    cat "$(go_modules keda)/go.sum" "$OFFLINE/addons/keda.sh" "$OFFLINE/keda/Dockerfile"
  } | hash_stdin
}

keda_image() { echo "ghcr.io/kedacore/$1:${KEDA#v}"; }

build_keda_image() { # build_keda_image IMAGE BINARY COMMAND INPUTS
  local context=$WORK/keda-image
  mkdir -p "$context"
  cp "$OFFLINE/keda/Dockerfile" "$context/"
  cp "$(binary "$2")" "$context/command"
  # For KEDA's cron trigger, whose time zones a static binary does not know.
  cp "$(go env GOROOT)/lib/time/zoneinfo.zip" "$context/"
  part "$1" build_image "$1" "$context" --label "$LABEL=$4" --build-arg "COMMAND=$3"
}

# What they are called in the official images, and so in the manifest.
build_keda_operator() { build_keda_image "$(keda_image keda)" operator keda "$1"; }
build_keda_adapter() { build_keda_image "$(keda_image keda-metrics-apiserver)" adapter keda-adapter "$1"; }
build_keda_webhooks() {
  build_keda_image "$(keda_image keda-admission-webhooks)" webhooks keda-admission-webhooks "$1"
}

make_keda() {
  build keda 'adapter operator webhooks' -ldflags "-s -w -X github.com/kedacore/keda/v2/version.Version=${KEDA#v}"
  make_image "$(keda_image keda)" "$(keda_inputs)" build_keda_operator
  make_image "$(keda_image keda-metrics-apiserver)" "$(keda_inputs)" build_keda_adapter
  make_image "$(keda_image keda-admission-webhooks)" "$(keda_inputs)" build_keda_webhooks
}
