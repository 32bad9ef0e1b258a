# shellcheck shell=bash
# The image of which each kind node is a container. kind's own files (entrypoint, units, containerd's settings) are read
# from the kind module at the pinned version, so they match the kind command; node/Dockerfile adds the rest.

NODE_PACKAGES=systemd,systemd-sysv,dbus,libseccomp2,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod
NODE_PACKAGES+=,pigz,e2fsprogs,bash,curl,jq,procps,runc,containernetworking-plugins,socat,ca-certificates,hostname
NODE_PACKAGES+=,catatonit

node_inputs() {
  {
    all_binaries | while read -r name; do basename "$(binary "$name")"; done
    echo "$KIND $ETCD_TAG $PAUSE_TAG $NODE_SUITE $NODE_PACKAGES $NETWORK_PACKAGES"
    cat "$OFFLINE"/node/* "$OFFLINE"/steps/{cluster_images,node_image}.sh
    # Another builder, another binary, whatever its version says.
    cat "$OFFLINE"/modules/{kubernetes,etcd,containerd,coredns,metrics-server}/go.sum
  } | hash_stdin
}

kind_files() { echo "$(module_folder kind sigs.k8s.io/kind)/images/base/files"; }

fill_node_context() { # fill_node_context DIRECTORY
  local name files
  files=$(kind_files)
  cp "$OFFLINE"/node/* "$1/"
  cp -r "$files" "$1/files"
  chmod -R u+w "$1/files"
  mkdir "$1/bin" "$1/usr-bin"
  for name in "${CONTAINERD_COMMANDS[@]}"; do cp "$(binary "$name")" "$1/bin/$name"; done
  for name in kubelet kubeadm kubectl; do cp "$(binary "$name")" "$1/usr-bin/$name"; done
}

build_node_image() { # build_node_image INPUTS
  local context=$WORK/node base old
  mkdir -p "$context"
  base=$(import_rootfs node "$NODE_SUITE" "$NODE_PACKAGES")
  part "images inside the node" save_cluster_images "$context/images.tar"
  fill_node_context "$context"
  old=$(docker image inspect --format '{{.Id}}' "$NODE_IMAGE" 2> /dev/null || true)
  part "node image" build_image "$NODE_IMAGE" "$context" --label "$LABEL=$1" --build-arg "BASE=$base" \
    --build-arg "KUBERNETES=$KUBERNETES" --build-arg "PAUSE_TAG=$PAUSE_TAG"
  rm -rf "$context"
  # A node that still runs from the old one keeps it.
  [ -z "$old" ] || docker rmi "$old" || true
}

make_node_image() {
  local inputs
  inputs=$(node_inputs)
  if [ "$(image_inputs "$NODE_IMAGE")" = "$inputs" ]; then return; fi
  build_node_image "$inputs"
}
