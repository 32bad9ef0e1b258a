# shellcheck shell=bash
# Everything that can be known to go wrong is said at once, before anything on the machine changes.
# Sourced by offline/install.

PROBLEMS=()
# shellcheck disable=SC2016  # for the user's shell
WITH_SUDO='sudo env "PATH=$PATH" make offline'

problem() { PROBLEMS+=("$*"); }

check_debian() {
  local file=${OFFLINE_OS_RELEASE:-/etc/os-release} id version name
  id=$(sed -n 's/^ID=//p' "$file" 2> /dev/null | tr -d '"')
  version=$(sed -n 's/^VERSION_ID=//p' "$file" 2> /dev/null | tr -d '"')
  name=$(sed -n 's/^PRETTY_NAME=//p' "$file" 2> /dev/null | tr -d '"')
  if [ "$id" != debian ] || ! [ "${version%%.*}" -ge 12 ] 2> /dev/null; then
    problem "this machine runs ${name:-an unknown system}, and the offline build knows Debian 12 and later only:" \
      "run it on a Debian 12 or 13 machine."
  fi
}

check_root() {
  [ "$(id -u)" = 0 ] ||
    problem "it installs packages and starts Docker, which needs root: $WITH_SUDO"
}

needed_go() { sed -n 's/^go //p' "$OFFLINE"/modules/*/go.mod | sort -V | tail -1; }

check_go() {
  local needed found
  needed=$(needed_go)
  if ! command -v go > /dev/null; then
    problem "there is no go on PATH, and the cluster's binaries are built with it: install Go $needed or later, or," \
      "if sudo dropped it from PATH, run $WITH_SUDO"
    return
  fi
  found=$(GOTOOLCHAIN=local go env GOVERSION 2> /dev/null || true)
  # go1.26.8, go1.26.8 X:experiment; anything else (devel ...) has no number to compare.
  found=${found#go} found=${found%% *}
  [[ $found =~ ^[0-9.]+$ ]] || found=
  if [ "$(printf '%s\n' "$needed" "${found:-0}" | sort -V | head -1)" != "$needed" ]; then
    problem "go on PATH is ${found:-of an unknown version}, and the modules need $needed: install Go $needed or later."
  fi
}

check_python() {
  command -v python3 > /dev/null ||
    problem "there is no python3 on PATH, and scripts/tools.py runs with it: apt-get install python3"
}

existing_parent() { # the nearest folder that exists, for df
  local dir=$1
  while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
  echo "$dir"
}

# Measured: Go's module cache 5 GiB and build cache 9 GiB, our own cache 2 GiB, Docker's images and build cache 5 GiB.
# With the binaries built, little more than the images can be missing.
check_disk() {
  local go_modules go_builds dir gib line mount free
  local -A needed=() available=()
  local docker_root wanted
  docker_root=$(timeout 10 docker info --format '{{.DockerRootDir}}' 2> /dev/null || true)
  wanted=("$OFFLINE_CACHE 2" "${docker_root:-/var/lib/docker} 5")
  if ! binaries_complete; then
    go_modules=$(GOTOOLCHAIN=local go env GOMODCACHE 2> /dev/null || true)
    go_builds=$(GOTOOLCHAIN=local go env GOCACHE 2> /dev/null || true)
    wanted+=("${go_modules:-$HOME/go} 5" "${go_builds:-$HOME/.cache} 9")
  elif [ -f "$OFFLINE_CACHE/complete" ]; then
    wanted=("$OFFLINE_CACHE 1")
  fi
  # KEDA knows every cloud there is: as much again as all of the cluster's own parts.
  if [[ " ${ADDONS[*]-} " == *" keda "* ]] && ! [ -x "$(binary operator)" ]; then
    wanted+=("$(GOTOOLCHAIN=local go env GOMODCACHE) 3" "$(GOTOOLCHAIN=local go env GOCACHE) 5")
  fi
  for line in "${wanted[@]}"; do
    dir=${line% *} gib=${line##* }
    # Several of them are usually on one file system: what they need adds up.
    read -r mount free < <(df -Pm "$(existing_parent "$dir")" | awk 'NR == 2 {print $6, $4}')
    needed[$mount]=$((${needed[$mount]:-0} + gib * MIB_PER_GIB)) available[$mount]=$free
  done
  for mount in "${!needed[@]}"; do
    ((available[$mount] >= needed[$mount])) ||
      problem "too little disk space on $mount: $((needed[$mount] / MIB_PER_GIB)) GiB needed," \
        "$((available[$mount] / MIB_PER_GIB)) GiB free. Free some, or set OFFLINE_CACHE, GOMODCACHE and GOCACHE to" \
        "folders on a larger disk."
  done
}

check_machine() {
  local line
  check_debian
  check_root
  check_go
  check_python
  # Where an old bash may run, disk space is not the point.
  [ ${#PROBLEMS[@]} -gt 0 ] || check_disk
  [ ${#PROBLEMS[@]} -gt 0 ] || return 0
  echo "offline/install: nothing was changed, because"
  for line in "${PROBLEMS[@]}"; do echo "  - $line"; done
  echo "This is only for networks that reach package mirrors and no image registry."
  echo "On an ordinary machine it is not needed: make up and make kind-test work without it."
  exit 1
} >&2
