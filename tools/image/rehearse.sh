#!/usr/bin/env bash
# Proves the image: the unit tests inside it, then every step of a compiled job inside it, as the image's own user, who
# is not root; as Vertex AI would run them and as Kubeflow would. Fails unless both give the same constants.
#   tools/image/rehearse.sh [CONFIG.toml [PARAMETER...]]
# The configuration is pipeline/flights_small.toml unless another is named; a parameter is --param=NAME=VALUE, and IMAGE_VOLUMES
# brings files of this machine into the steps. Everything is written below build/rehearsal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/image/engine.sh

config=$(realpath "${1:-pipeline/flights_small.toml}")
shift $(($# > 0))
out=$PWD/build/rehearsal/$(basename "$(dirname "$config")")-$(basename "$config" .toml)
rm -rf "$out"
mkdir -p "$out/job"
chmod 0777 "$out/job"

# Read-only, where the image cannot mistake it for what is installed in it.
checkout=$PWD:/checkout:ro
printf 'rehearse: unit and property tests in the image\n'
IMAGE_VOLUMES=$checkout tools/image/run.sh "$(image_name test)" python -P -m pytest -q -p no:cacheprovider \
  --rootdir /checkout -c /checkout/pyproject.toml -m 'not slow and not prove' /checkout/tests/unit /checkout/tests/property

printf 'rehearse: compiling %s in the image\n' "$config"
IMAGE_VOLUMES="$checkout $(dirname "$config"):/config:ro $out:$out ${IMAGE_VOLUMES:-}" tools/image/run.sh "$(image_name runtime)" \
  tfx-norm compile "/config/$(basename "$config")" --out "$out/job" --image "$(image_name runtime)" "$@"

export IMAGE_VOLUMES="$out:$out ${IMAGE_VOLUMES:-}"
for job in "$out"/job/*.json "$out"/job/*.yaml; do
  mode=$([ "${job##*.}" = json ] && echo vertex || echo kfp)
  printf 'rehearse: %s as %s runs it, each step in a container\n' "$(basename "$job")" "$mode"
  .venv/bin/python -m pipeline rehearse "$job" --root "$out/$mode" --mode "$mode" --json \
    --exec-prefix "$PWD/tools/image/run.sh {image}" >"$out/$mode.json"
  .venv/bin/python -m json.tool "$out/$mode.json"
done

digests=$(grep -ho '"constants_digest": "[0-9a-f]*"' "$out"/vertex.json "$out"/kfp.json | sort | uniq -c)
printf 'rehearse: constants as each run has them\n%s\n' "$digests"
[ "$(wc -l <<<"$digests")" = 1 ]
