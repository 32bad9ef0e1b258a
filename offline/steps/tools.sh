# shellcheck shell=bash
# helm, helm3, kind and kubectl on PATH. scripts/tools.py finds, fetches or builds each, here as everywhere else in the
# project; this only puts a copy where the shell finds it.

install_tool() { # install_tool NAME
  local path target=$OFFLINE_PREFIX/bin/$1
  path=$(TOOLS_DIR="$OFFLINE_CACHE/tools" python3 "$ROOT/scripts/tools.py" path "$1")
  if [ "$path" -ef "$target" ] || cmp -s "$path" "$target"; then return; fi
  # A rename, because a running program's file cannot be written to.
  install -D -m 755 "$path" "$target.new"
  mv "$target.new" "$target"
}

install_tools() {
  local name
  for name in helm helm3 kind kubectl; do part "$name" install_tool "$name"; done
}
