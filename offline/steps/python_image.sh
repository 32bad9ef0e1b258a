# shellcheck shell=bash
# A stand-in for the official Python image, under its name, so that the project's Dockerfile needs no change.

PYTHON_SUITE=trixie
PYTHON_PACKAGES=ca-certificates,netbase,tzdata,python3,python3-venv,python3-pip
CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt

python_version() { # 3.13 of python:3.13-slim
  local tag=${PYTHON_IMAGE##*:}
  echo "${tag%%-*}"
}

python_inputs() {
  {
    echo "$PYTHON_IMAGE $PYTHON_SUITE $PYTHON_PACKAGES"
    cat "$OFFLINE"/python/* "$OFFLINE/steps/python_image.sh" "$CA_BUNDLE"
  } | hash_stdin
}

build_python_image() { # build_python_image INPUTS
  local context=$WORK/python base old
  mkdir -p "$context"
  base=$(import_rootfs python "$PYTHON_SUITE" "$PYTHON_PACKAGES")
  cp "$OFFLINE"/python/* "$CA_BUNDLE" "$context/"
  old=$(docker image inspect --format '{{.Id}}' "$PYTHON_IMAGE" 2> /dev/null || true)
  build_image "$PYTHON_IMAGE" "$context" --label "$LABEL=$1" --build-arg "BASE=$base" \
    --build-arg "VERSION=$(python_version)"
  [ -z "$old" ] || docker rmi "$old" || true
}

make_python_image() { make_image "$PYTHON_IMAGE" "$(python_inputs)" build_python_image; }
