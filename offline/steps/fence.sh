# shellcheck shell=bash
# Traffic to a cluster's address never leaves the machine. While a cluster is there, more specific routes lead to it;
# once a pod, a Service or a Docker network is gone, its address would follow the default route to whoever answers on
# the network beyond, a load test's traffic with it. An `unreachable` route refuses it at once.
#
# It never takes traffic from a route that somebody else made: the kernel prefers the longer prefix whatever the metric,
# and among routes to the same prefix the lower metric, and ours is the highest in use. What is left is a host that the
# machine reaches in one of these ranges by its default route. Those that are known (name servers, open connections, the
# mirrors, proxies) are looked for, and a range that holds one is left open, with a word about it.

# kind's defaults for Services and pods, and the pool from which Docker takes its networks.
FENCE=${OFFLINE_FENCE-10.96.0.0/16 10.244.0.0/16 172.16.0.0/12}
FENCE_METRIC=9999
# A number that no routing daemon uses marks the routes as ours, for offline/uninstall.
FENCE_PROTOCOL=173

address_number() { # address_number A.B.C.D
  local a b c d
  IFS=. read -r a b c d <<< "$1"
  echo $(((a << 24) + (b << 16) + (c << 8) + d))
}

in_range() { # in_range A.B.C.D RANGE
  local shift_by=$((32 - ${2#*/}))
  (($(address_number "$1") >> shift_by == $(address_number "${2%/*}") >> shift_by))
}

hosts_in_use() { # names and addresses that this machine talks to
  awk '$1 == "nameserver" {print $2}' /etc/resolv.conf
  ip -4 route show default | awk '{for (i = 1; i < NF; i++) if ($i == "via") print $(i + 1)}'
  ss -4Htn state established | awk '{sub(/:[0-9]+$/, "", $4); print $4}'
  {
    # shellcheck disable=SC2016  # for apt
    apt-get indextargets --format '$(SITE)'
    printf '%s\n' "${http_proxy:-}" "${https_proxy:-}" "${HTTP_PROXY:-}" "${HTTPS_PROXY:-}"
    go env GOPROXY | sed 's/[,|]/\n/g'
  } | sed -nE 's#^[a-z]+://([^/@]*@)?([^/:]+).*#\2#p'
}

addresses_in_use() {
  local host
  hosts_in_use | sort -u | while read -r host; do
    timeout 5 getent ahostsv4 "$host" | awk '{print $1}' || true
  done | sort -u
}

# An address with a route of its own stays reachable behind the fence.
reached_by_default() { # reached_by_default ADDRESS
  ! ip -4 route show match "$1" | grep -qvE '^(default|unreachable)'
}

fence_route() { # fence_route add|del RANGE
  ip route "$1" unreachable "$2" metric "$FENCE_METRIC" proto "$FENCE_PROTOCOL"
}

fence_range() { # fence_range RANGE ADDRESSES
  local address
  for address in $2; do
    if in_range "$address" "$1" && reached_by_default "$address"; then
      say "      $1 stays open: this machine reaches $address there, and a cluster's own addresses may collide with it"
      fence_route del "$1" || true
      return
    fi
  done
  # Only ever added: `ip route replace` would take the place of somebody else's route with this prefix and metric.
  [ -n "$(ip -4 route show exact "$1" proto "$FENCE_PROTOCOL")" ] || fence_route add "$1" ||
    say "      $1 stays open: a route with metric $FENCE_METRIC is there already"
}

lower_fence() { ip route flush proto "$FENCE_PROTOCOL" || true; }

raise_fence() {
  local range addresses
  addresses=$(addresses_in_use)
  for range in $FENCE; do fence_range "$range" "$addresses"; done
}
