#!/usr/bin/env bash
# Builds a target of the Dockerfile (`runtime` unless another is named) and prints the image's name and size.
#   tools/image/build.sh [TARGET]
# With docker or podman it is a plain build. Where there is neither, buildah does it, as root, in a store of its own
# below build/image, on a base made here that stands for python:3.11-slim-trixie: Debian 13 by debootstrap, with the
# CPython 3.11 of this machine (PYTHON311=/path/to/python3.11 names it). `rm -rf build/image` gives a fresh store.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/image/engine.sh

readonly BASE=docker.io/library/python:3.11-slim-trixie
readonly MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
# What the official image's own Python is linked against, and its certificates.
readonly LIBRARIES=ca-certificates,libssl3t64,libffi8,libsqlite3-0,libreadline8t64,libbz2-1.0,liblzma5,zlib1g,libexpat1,libuuid1,libncursesw6

fail() {
  printf 'image: %s\n' "$*" >&2
  exit 1
}

# Prints the prefix of a CPython 3.11 of this machine that has its headers.
python_prefix() {
  local path
  for path in "${PYTHON311:-}" "$(command -v python3.11 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python3.11 \
    "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}"/*/bin/python3.11; do
    "$path" -I -c '
import sys, sysconfig, pathlib
assert sys.version_info[:2] == (3, 11) and pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()
assert sys.base_prefix != "/usr"  # the distribution'"'"'s is not one folder that can be copied
print(sys.base_prefix)' 2>/dev/null && return
  done
  fail "a CPython 3.11 in a folder of its own, with Python.h, is required for the base, but none was found." \
    "Install one (pyenv install 3.11, uv python install 3.11), or name it by PYTHON311=/path/to/bin/python3.11."
}

# Makes the stand-in for the official base in the store.
make_base() {
  local prefix root=build/image/rootfs container
  prefix=$(python_prefix)
  printf 'image: making a base from Debian 13 and the Python of %s\n' "$prefix"
  rm -rf "$root"
  mkdir -p build/image
  debootstrap --variant=minbase --include="$LIBRARIES" trixie "$root" "$MIRROR" >build/image/debootstrap.log ||
    fail "debootstrap failed; its last words: $(tail -n 1 build/image/debootstrap.log)"
  tar -C "$prefix" --exclude='site-packages/*' --exclude=__pycache__ --exclude='lib/python3.11/test' -cf - \
    bin/python3.11 lib/python3.11 include $(cd "$prefix" && compgen -G 'lib/libpython3*') | tar -C "$root/usr/local" --no-same-owner -xf -
  ln -s python3.11 "$root/usr/local/bin/python3"
  chroot "$root" ldconfig
  chroot "$root" /usr/local/bin/python3.11 -m ensurepip >/dev/null 2>&1 || fail "ensurepip failed in the base."
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  container=$("${BUILDAH[@]}" from scratch)
  "${BUILDAH[@]}" add --quiet "$container" "$root" / >/dev/null
  "${BUILDAH[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 \
    --cmd python3 "$container"
  "${BUILDAH[@]}" commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -rf "$root"
}

main() {
  local target=${1:-runtime} name started=$SECONDS arguments
  name=$(image_name "$target")
  arguments=(--target "$target" --tag "$name" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
    --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)")
  if [ "$ENGINE" = buildah ]; then
    command -v debootstrap >/dev/null || fail "debootstrap is required: apt-get install debootstrap"
    [ "$(id -u)" = 0 ] || fail "buildah with a base of its own needs root; docker or podman would not."
    "${BUILDAH[@]}" inspect --type image "$BASE" >/dev/null 2>&1 || make_base
    # The machine's own certificates, for a site with a certificate authority of its own; they stay out of the image.
    "${BUILDAH[@]}" build --layers --pull=never --isolation chroot --network host \
      --volume /etc/ssl/certs:/etc/ssl/certs:ro "${arguments[@]}" .
  else
    "$ENGINE" build "${arguments[@]}" .
  fi
  printf 'image: %s, %s, made in %d s\n' "$name" "$(image_size "$name")" "$((SECONDS - started))"
}

main "$@"
