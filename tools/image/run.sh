#!/usr/bin/env bash
# One command in a fresh container of an image, as the image's own user, which is not root.
#   IMAGE_VOLUMES='/data:/data:ro /out:/out' tools/image/run.sh IMAGE COMMAND [ARGUMENT...]
# Folders that the command writes must be writable for group 0. Exit status: the command's.
set -euo pipefail
volumes=()
for volume in ${IMAGE_VOLUMES:-}; do volumes+=(--volume "$volume"); done
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/image/engine.sh

image=$1
shift
if [ "$ENGINE" != buildah ]; then
  exec "$ENGINE" run --rm --env CUDA_VISIBLE_DEVICES= "${volumes[@]}" "$image" "$@"
fi
container=$("${BUILDAH[@]}" from --pull=never "$image")
trap '"${BUILDAH[@]}" rm "$container" >/dev/null' EXIT
"${BUILDAH[@]}" run --isolation chroot --env CUDA_VISIBLE_DEVICES= "${volumes[@]}" "$container" -- "$@"
