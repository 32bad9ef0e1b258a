# shellcheck shell=bash
# What runs inside the cluster, built from Go modules. Each binary carries its version in its file name, so one that is
# out of date is simply not there.

KUBERNETES_COMMANDS=(kubelet kubeadm kubectl kube-apiserver kube-controller-manager kube-scheduler kube-proxy)
CONTAINERD_COMMANDS=(containerd ctr containerd-shim-runc-v2)

binary() { # binary NAME : where the pinned version of it is kept
  local version
  case $1 in
    kube*) version=$KUBERNETES ;;
    etcd) version=$ETCD ;;
    coredns) version=$COREDNS ;;
    metrics-server) version=$METRICS_SERVER ;;
    operator | adapter | webhooks) version=$KEDA ;;
    netpol) version=$NETPOL ;;
    containerd* | ctr) version=$CONTAINERD ;;
    traefik) version=$TRAEFIK ;;
    *) fail "no version is known for the binary $1" ;;
  esac
  echo "$OFFLINE_CACHE/bin/$1-$version"
}

all_binaries() { printf '%s\n' "${KUBERNETES_COMMANDS[@]}" "${CONTAINERD_COMMANDS[@]}" etcd coredns metrics-server; }

binaries_complete() {
  local name
  for name in $(all_binaries); do [ -x "$(binary "$name")" ] || return 1; done
}

# build MODULE "NAME..." FLAG... : the module's tools, which are exactly these names.
build() {
  local module=$1 names=$2 name missing=no
  shift 2
  for name in $names; do [ -x "$(binary "$name")" ] || missing=yes; done
  [ $missing = yes ] || return 0
  part "$module $(basename "$(binary "${names%% *}")" | sed 's/.*-v/v/')" run_go_build "$module" "$@"
  # Go names etcd's command after its folder, "server"; where a module has one command, its name is known anyway.
  case $names in *' '*) ;; *) mv -n "$WORK/$module"/* "$WORK/$module/$names" || true ;; esac
  for name in $names; do mv "$WORK/$module/$name" "$(binary "$name")"; done
}

run_go_build() { # run_go_build MODULE FLAG... ; "tool" means every command that the module's tool lines name
  local folder
  folder=$(go_modules "$1")
  if [ -x "$OFFLINE/$1/prepare" ]; then
    # Its go.mod replaces modules by folders, which are made first.
    mkdir "$WORK/$1-module"
    cp "$folder"/go.* "$WORK/$1-module/"
    folder=$WORK/$1-module
    "$OFFLINE/$1/prepare" "$folder"
  fi
  mkdir -p "$WORK/$1"
  go build -C "$folder" -mod=readonly -trimpath "${@:2}" -o "$WORK/$1/" tool
}

build_binaries() {
  local version=k8s.io/component-base/version strip='-s -w' minor
  minor=${KUBERNETES#v1.} minor=${minor%%.*}
  # kubeadm and the API server refuse one another without these: a build that knows no version says v0.0.0.
  build kubernetes "${KUBERNETES_COMMANDS[*]}" -ldflags "$strip -X $version.gitVersion=$KUBERNETES \
    -X $version.gitMajor=1 -X $version.gitMinor=$minor -X $version.gitTreeState=clean"
  build etcd etcd -ldflags "$strip"
  # Without the snapshotters that a kind node never uses; the rest of the tags make it a static binary.
  build containerd "${CONTAINERD_COMMANDS[*]}" \
    -tags 'no_aufs no_zfs no_btrfs no_devmapper netgo osusergo static_build' \
    -ldflags "$strip -X github.com/containerd/containerd/v2/version.Version=$CONTAINERD"
  build coredns coredns -ldflags "$strip"
  build metrics-server metrics-server -ldflags "$strip"
}
