# shellcheck shell=bash
# What the add-ons of the test cluster (addons/NAME.sh, each with a function make_NAME) have in common. The tests load
# an add-on's image into the cluster if the Engine has it, and take its manifest from here if it is here; otherwise the
# nodes pull the image, and kubectl fetches the manifest (k8s-tests/addons/).

MANIFESTS=$ROOT/.tools/addons

put_manifest() { # put_manifest NAME FILE... : one file of several, as a release has it
  local name=$1 file
  shift
  mkdir -p "$MANIFESTS"
  for file; do
    echo ---
    cat "$file"
  done > "$MANIFESTS/$name.new"
  mv "$MANIFESTS/$name.new" "$MANIFESTS/$name"
}
