# shellcheck shell=bash
# shellcheck disable=SC2034  # the names set here are used by the files sourced beside it
# What every step shares: progress, the log, hashes of inputs. Sourced by offline/install and offline/uninstall.

# The label that marks an image as ours and holds the hash of everything it was made from.
LABEL=flask-app-offline.inputs

# The steps' own output goes to the log; what the user reads goes to descriptor 3, which is the terminal.
say() { echo "$*" >&3; }

fail() { # fail MESSAGE : cause and remedy in one message
  say "offline/install: $*"
  exit 1
}

STEP=0 STEPS=0 CURRENT=
step() { # step TITLE FUNCTION
  local began=$SECONDS
  STEP=$((STEP + 1)) CURRENT="[$STEP/$STEPS] $1"
  say "$CURRENT ..."
  echo "=== $CURRENT"
  "$2"
  say "[$STEP/$STEPS] $1: $((SECONDS - began)) s"
}

part() { # part NAME COMMAND... : a piece of a step that may take minutes, so it names itself
  local name=$1 began=$SECONDS
  shift
  say "      $name ..."
  echo "--- $name"
  "$@"
  say "      $name: $((SECONDS - began)) s"
}

# Sixteen digits are enough to tell one set of inputs from another, and short enough for a file name or a tag.
hash_stdin() { sha256sum | cut -c1-16; }

image_inputs() { # image_inputs IMAGE : the hash it was made from, nothing when it is not there or not ours
  docker image inspect --format "{{index .Config.Labels \"$LABEL\"}}" "$1" 2> /dev/null || true
}

image_exists() { docker image inspect "$1" > /dev/null 2>&1; }

# The official image is better wherever it can be had.
make_image() { # make_image IMAGE INPUTS FUNCTION : unless it was made from these inputs, or elsewhere
  local ours
  ours=$(image_inputs "$1")
  if [ "$ours" = "$2" ]; then return; fi
  if [ -z "$ours" ] && image_exists "$1"; then
    say "      kept as it is: this $1 was not made here"
    return
  fi
  "$3" "$2"
}

# BuildKit inside the Engine ("default"), whichever builder the user has chosen: a builder in a container does not see
# the Engine's own images, and everything here starts from one of those. No attestations: they make an image that
# Engines older than 25 cannot tag twice the same way.
build_image() { # build_image TAG CONTEXT ARGUMENT...
  local tag=$1 context=$2
  shift 2
  docker buildx --builder default build --progress plain --provenance=false --load -t "$tag" "$@" "$context"
}

has_capability() { # has_capability BIT : whether this machine's bounding set grants it
  local bounding
  bounding=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
  ((0x$bounding >> $1 & 1))
}
CAP_SYS_RESOURCE=24

process_is() { # process_is PID NAME : a pid file may be older than the last boot, and its number taken by another
  [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2> /dev/null)" = "$2" ]
}

MIB_PER_GIB=1024

go_modules() { # the directory that holds modules/<name>
  echo "$OFFLINE/modules/$1"
}

module_folder() { # module_folder NAME MODULE : its files in Go's cache, checked against modules/NAME/go.sum
  cd "$(go_modules "$1")" || return
  go mod download "$2"
  go list -mod=readonly -m -f '{{.Dir}}' "$2"
}
