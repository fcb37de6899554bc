# Sourced by the scripts beside it, in the repository's folder: which container engine there is. Sets ENGINE, and
# BUILDAH with the options for a store of its own.
BUILDAH=(buildah --root "$PWD/build/image/store" --runroot "$PWD/build/image/run" --storage-driver overlay)

if docker info >/dev/null 2>&1; then
  ENGINE=docker
elif command -v podman >/dev/null; then
  ENGINE=podman
elif command -v buildah >/dev/null; then
  ENGINE=buildah
else
  echo "image: docker, podman or buildah is required: apt-get install --no-install-recommends buildah debootstrap" >&2
  exit 1
fi

# The name of the image of a target.
image_name() {
  if [ "$1" = runtime ]; then echo localhost/tfx-norm:dev; else echo "localhost/tfx-norm-$1:dev"; fi
}

# The size of image $1 in GB.
image_size() {
  case $ENGINE in
    buildah) "${BUILDAH[@]}" images --format '{{.Size}}' "$1" ;;
    *) "$ENGINE" image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.2f GB\n", $1 / 1e9 }' ;;
  esac
}
