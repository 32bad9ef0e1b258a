# shellcheck shell=bash
# PostgreSQL and Redis from Debian's packages, under the names of the official images. Each comes from the release that
# has its major version.

POSTGRESQL_SUITE=trixie
POSTGRESQL_PACKAGES=postgresql-17
REDIS_SUITE=bookworm
REDIS_PACKAGES=redis-server

database_inputs() { # database_inputs IMAGE SUITE PACKAGES FOLDER
  {
    echo "$1 $2 $3"
    cat "$OFFLINE/addons/databases.sh" "$OFFLINE/databases/$4"/*
  } | hash_stdin
}

build_database() { # build_database IMAGE SUITE PACKAGES FOLDER INPUTS
  local base
  base=$(import_rootfs "$4" "$2" "$3")
  part "$1" build_image "$1" "$OFFLINE/databases/$4" --label "$LABEL=$5" --build-arg "BASE=$base"
}

build_postgresql() { build_database "$POSTGRESQL_IMAGE" "$POSTGRESQL_SUITE" "$POSTGRESQL_PACKAGES" postgresql "$1"; }
build_redis() { build_database "$REDIS_IMAGE" "$REDIS_SUITE" "$REDIS_PACKAGES" redis "$1"; }

make_databases() {
  make_image "$POSTGRESQL_IMAGE" \
    "$(database_inputs "$POSTGRESQL_IMAGE" "$POSTGRESQL_SUITE" "$POSTGRESQL_PACKAGES" postgresql)" build_postgresql
  make_image "$REDIS_IMAGE" "$(database_inputs "$REDIS_IMAGE" "$REDIS_SUITE" "$REDIS_PACKAGES" redis)" build_redis
}
