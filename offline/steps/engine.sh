# shellcheck shell=bash
# Docker Engine and the packages that the other steps use: installed from the machine's own Debian mirror, started by
# systemd where there is one, else by hand.

engine_packages() { # package names of the commands that are missing, one a line
  local command package
  # One `command -v` for each: given several names, it succeeds when any of them exists.
  while read -r command package; do
    command -v "$command" > /dev/null || echo "$package"
  done <<- 'LIST'
	docker docker.io
	dockerd docker.io
	iptables iptables
	ip iproute2
	ss iproute2
	ps procps
	mmdebstrap mmdebstrap
	jq jq
	LIST
  # Debian 13 has the command line in a package of its own.
  if ! command -v docker > /dev/null && apt-cache show docker-cli > /dev/null 2>&1; then echo docker-cli; fi
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_engine_packages() {
  local packages
  [ -n "$(engine_packages)" ] || return 0
  apt-get update -qq
  packages=$(engine_packages | sort -u)
  # shellcheck disable=SC2086  # a list
  part "apt-get install ${packages//$'\n'/ }" apt_install $packages
}

# Where the machine withholds CAP_SYS_RESOURCE, runc cannot start a container that asks for it, as every privileged one
# does; node/runc-capped asks for less. An Engine started by systemd is configured by its owner.
capped_runtime() {
  if has_capability "$CAP_SYS_RESOURCE"; then return; fi
  install -m 755 "$OFFLINE/node/runc-capped" "$OFFLINE_PREFIX/sbin/runc-capped"
  echo "--add-runtime capped=$OFFLINE_PREFIX/sbin/runc-capped --default-runtime capped"
}

engine_answers() { timeout 10 docker info > /dev/null 2>&1; }

start_by_hand() {
  local pid_file=$OFFLINE_CACHE/run/dockerd.pid log=$OFFLINE_CACHE/log/dockerd.log options
  # dockerd refuses to start when any process has the number in its pid file.
  process_is "$(cat "$pid_file" 2> /dev/null)" dockerd || rm -f "$pid_file"
  process_is "$(cat /var/run/docker.pid 2> /dev/null)" dockerd || rm -f /var/run/docker.pid
  options=$(capped_runtime)
  # A session of its own, no child of this process, and none of its descriptors: the Engine outlives this run, must not
  # be stopped with it and must not hold its lock.
  # shellcheck disable=SC2086  # a list
  (env -u TMPDIR setsid dockerd --pidfile "$pid_file" $options > "$log" 2>&1 < /dev/null 3>&- 9>&- &)
}

start_engine() {
  local _
  install_engine_packages
  if engine_answers; then return; fi
  if [ -d /run/systemd/system ]; then
    systemctl enable --now docker
  else
    start_by_hand
  fi
  for _ in {1..60}; do
    if engine_answers; then return; fi
    sleep 1
  done
  [ -d /run/systemd/system ] || tail -20 "$OFFLINE_CACHE/log/dockerd.log"
  fail "Docker did not start within a minute: see journalctl -u docker, or $OFFLINE_CACHE/log/dockerd.log without" \
    "systemd. An Engine that you started in another way is used as it is."
}
