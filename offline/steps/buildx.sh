# shellcheck shell=bash
# buildx, without which `docker build` has no BuildKit and the project's Dockerfile no cache mounts. Debian 12 has none.
# Debian 13's package runs there; only its plug-in is taken out of it, so that no package of another release is
# installed.

plugin_dir() { echo "$OFFLINE_PREFIX/lib/docker/cli-plugins"; }

fetch_buildx() { # fetch_buildx SUITE
  local apt=$WORK/apt suite=$1 options
  mkdir -p "$apt/lists/partial"
  apt_sources "$suite" > "$apt/sources.list"
  # The sandbox's user cannot write to our folder.
  options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update -qq
  (cd "$apt" && apt-get "${options[@]}" download -qq docker-buildx)
  dpkg-deb -x "$apt"/docker-buildx_*.deb "$apt/package"
  mv "$apt/package/usr/libexec/docker/cli-plugins/docker-buildx" "$OFFLINE_CACHE/bin/docker-buildx-$suite"
}

install_buildx() {
  local suite=trixie plugin
  if docker buildx version; then return; fi
  if apt-cache show docker-buildx > /dev/null 2>&1; then
    apt_install docker-buildx
    return
  fi
  plugin=$OFFLINE_CACHE/bin/docker-buildx-$suite
  [ -x "$plugin" ] || fetch_buildx "$suite"
  install -D -m 755 "$plugin" "$OFFLINE_PREFIX/lib/docker/cli-plugins/docker-buildx"
  docker buildx version ||
    fail "docker does not see the plug-in in $(plugin_dir): it looks in /usr/local/lib/docker/cli-plugins, so leave" \
      "OFFLINE_PREFIX at /usr/local, or put a link there."
}
