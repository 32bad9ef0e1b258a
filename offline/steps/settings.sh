# shellcheck shell=bash
# Tell the ordinary scripts which node image to use. They need to know nothing else about this folder.

SETTINGS=$ROOT/.tools/offline.env

write_settings() {
  mkdir -p "$(dirname "$SETTINGS")"
  echo "KIND_NODE_IMAGE=$NODE_IMAGE" > "$SETTINGS.new"
  mv "$SETTINGS.new" "$SETTINGS"
}
