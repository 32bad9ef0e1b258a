# shellcheck shell=bash
# Debian root file systems, for the images that need more than one binary. They come from the mirror that this machine's
# own apt sources name, whatever release is asked for.

# A mirror that signs with a key of its own needs OFFLINE_APT_KEYRING.
APT_KEYRING=${OFFLINE_APT_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

debian_targets() { # debian_targets CODENAME : the machine's apt sources as lines: URI, suite, component
  # shellcheck disable=SC2016  # for apt
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk -v code="$1" '$1 == "Debian" && $3 ~ "^" code "(-updates|-security)?$" {print $2, $3, $4}' | sort -u
}

apt_sources() { # apt_sources SUITE : the machine's sources, for another release
  local codename targets uri suite component
  codename=$(sed -n 's/^VERSION_CODENAME=//p' "${OFFLINE_OS_RELEASE:-/etc/os-release}")
  targets=$(debian_targets "$codename")
  if [ -z "$targets" ]; then
    # The origin is known only once the lists have been fetched.
    apt-get update -qq >&2
    targets=$(debian_targets "$codename")
  fi
  [ -n "$targets" ] || fail "no apt source of this machine names Debian's $codename release: name it so (not stable)" \
    "in /etc/apt/sources.list or /etc/apt/sources.list.d/."
  while read -r uri suite component; do
    [ "$component" = main ] || continue
    echo "deb [signed-by=$APT_KEYRING] $uri ${suite/#$codename/$1} $component"
  done <<< "$targets"
}

# mmdebstrap's apt reads none of the machine's settings, and a proxy may be the only way out.
apt_settings() { apt-config dump | grep -E '^Acquire::(https?::|Retries|Check-Valid-Until)' || true; }

rootfs_file() { # rootfs_file NAME SUITE PACKAGES : where its tar is kept
  echo "$OFFLINE_CACHE/rootfs/$1-$2-$(echo "$2 $3" | hash_stdin).tar"
}

run_mmdebstrap() { # run_mmdebstrap SUITE PACKAGES FILE
  apt_sources "$1" > "$WORK/sources.list"
  apt_settings > "$WORK/apt.conf"
  # mmdebstrap leaves the settings in the root file system, where a proxy's password has no place.
  # shellcheck disable=SC2016  # $1 is for mmdebstrap's shell
  mmdebstrap --variant=minbase --include="$2" --aptopt="$WORK/apt.conf" \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"' "$1" "$WORK/rootfs.tar" "$WORK/sources.list"
  mv "$WORK/rootfs.tar" "$3"
}

import_rootfs() { # import_rootfs NAME SUITE PACKAGES : build it unless it is there, and print its image's name
  local file image
  file=$(rootfs_file "$@")
  image=flask-app-offline/root-$1:$(basename "$file" .tar)
  [ -f "$file" ] || part "Debian $2 for $1" run_mmdebstrap "$2" "$3" "$file" >&2
  image_exists "$image" || docker import "$file" "$image" >&2
  echo "$image"
}
