# shellcheck shell=bash
# The container images that a cluster starts with, made here because no registry can be reached, under the names that
# kubeadm and the manifests ask for. They go into the node image, so that nothing is ever pulled.

REGISTRY=registry.k8s.io
POD_NETWORK_IMAGE=localhost/pod-network:local

# Debian 12 for everything in the node: systemd 252 is the last of Debian's to boot on a host with cgroup v1.
NODE_SUITE=bookworm
NETWORK_PACKAGES=iptables,iproute2,conntrack,kmod,jq,ca-certificates

one_binary_image() { # one_binary_image IMAGE FILE PATH CHANGE... : nothing but one static binary
  local image=$1 file=$2 path=$3 root change changes=()
  shift 3
  for change; do changes+=(--change "$change"); done
  root=$(mktemp -d)
  install -D -m 755 "$file" "$root$path"
  tar -C "$root" --owner 0 --group 0 -c . | docker import "${changes[@]}" - "$image"
  rm -rf "$root"
}

network_image() { # network_image IMAGE BASE FILE:NAME... : programs that need iptables and ip beside them
  local image=$1 base=$2 context pair
  shift 2
  context=$(mktemp -d)
  mkdir "$context/bin"
  for pair; do install -m 755 "${pair%%:*}" "$context/bin/${pair##*:}"; done
  printf 'FROM %s\nCOPY bin/ /usr/local/bin/\n' "$base" > "$context/Dockerfile"
  build_image "$image" "$context"
  rm -rf "$context"
}

cluster_images() { # their names, one a line
  printf "$REGISTRY/%s\n" "kube-apiserver:$KUBERNETES" "kube-controller-manager:$KUBERNETES" \
    "kube-scheduler:$KUBERNETES" "kube-proxy:$KUBERNETES" "etcd:$ETCD_TAG" "pause:$PAUSE_TAG" \
    "coredns/coredns:$COREDNS" "metrics-server/metrics-server:$METRICS_SERVER"
  echo "$POD_NETWORK_IMAGE"
}

# kubeadm knows by which tags it will ask; a tag that versions.env has wrong would show as a pull that
# fails, minutes on.
check_image_tags() {
  local asked image
  asked=$("$(binary kubeadm)" config images list --kubernetes-version "$KUBERNETES")
  while read -r image; do
    cluster_images | grep -qxF "$image" ||
      fail "kubeadm $KUBERNETES asks for $image, which the node image would lack: correct its version (or tag) in" \
        "versions.env."
  done <<< "$asked"
}

save_cluster_images() { # save_cluster_images FILE
  local base name
  check_image_tags
  for name in kube-apiserver kube-controller-manager kube-scheduler; do
    one_binary_image "$REGISTRY/$name:$KUBERNETES" "$(binary $name)" "/usr/local/bin/$name"
  done
  one_binary_image "$REGISTRY/etcd:$ETCD_TAG" "$(binary etcd)" /usr/local/bin/etcd
  one_binary_image "$REGISTRY/coredns/coredns:$COREDNS" "$(binary coredns)" /coredns 'ENTRYPOINT ["/coredns"]'
  one_binary_image "$REGISTRY/metrics-server/metrics-server:$METRICS_SERVER" "$(binary metrics-server)" \
    /metrics-server 'ENTRYPOINT ["/metrics-server"]' 'USER 65534'
  # A pod's first process, which only has to wait and reap. Debian's catatonit is that (-P), and static.
  tar -C "$WORK" -xf "$(rootfs_file node "$NODE_SUITE" "$NODE_PACKAGES")" ./usr/bin/catatonit
  one_binary_image "$REGISTRY/pause:$PAUSE_TAG" "$WORK/usr/bin/catatonit" /pause 'ENTRYPOINT ["/pause","-P"]'

  base=$(import_rootfs network "$NODE_SUITE" "$NETWORK_PACKAGES")
  network_image "$REGISTRY/kube-proxy:$KUBERNETES" "$base" "$(binary kube-proxy):kube-proxy"
  network_image "$POD_NETWORK_IMAGE" "$base" "$(binary kubectl):kubectl" "$OFFLINE/node/pod-network.sh:pod-network.sh"

  cluster_images | xargs docker save -o "$1"
  # They are inside the node image now; on the host they are only in the way.
  cluster_images | xargs docker rmi
}
