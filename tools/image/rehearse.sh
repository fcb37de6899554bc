#!/usr/bin/env bash
# Proves the image: the unit and property tests inside it, then every step of a compiled job inside it, each in a
# container of its own as the image's own user, who is not root; as Vertex AI would run them and as Kubeflow would.
# Fails unless both give the same constants. Everything is written below build/rehearsal.
#   tools/image/rehearse.sh                                     tests and pipeline/flights_small.toml
#   tools/image/rehearse.sh CONFIG.toml [--param NAME=VALUE...] another configuration, without the tests
# IMAGE_VOLUMES='/data:/data:ro ...' brings files of this machine into the steps.
set -euo pipefail
config=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../../pipeline/flights_small.toml}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/image/engine.sh

image=$(image_name runtime)
out=$PWD/build/rehearsal/$(basename "$(dirname "$config")")-$(basename "$config" .toml)
rm -rf "$out"
mkdir -p "$out/job"
chmod 0777 "$out" "$out/job" # for the image's user

if [ $# = 0 ]; then
  printf 'rehearse: unit and property tests in the image\n'
  # -P: the tests import what is installed in the image, and nothing from the checkout.
  IMAGE_VOLUMES=$PWD:/checkout:ro tools/image/run.sh "$(image_name test)" python -P -m pytest -q -p no:cacheprovider \
    --rootdir /checkout -c /checkout/pyproject.toml -m 'not slow and not prove' /checkout/tests/unit /checkout/tests/property
  # The schema as the image has it.
  set -- "$config" --param schema=package:schemas/flights.pbtxt
fi
shift

printf 'rehearse: compiling %s in the image\n' "$config"
IMAGE_VOLUMES="$(dirname "$config"):/config/here:ro $PWD/schemas:/config/schemas:ro $out:$out ${IMAGE_VOLUMES:-}" \
  tools/image/run.sh "$image" \
  tfx-norm compile "/config/here/$(basename "$config")" --out "$out/job" --image "$image" "$@"

export IMAGE_VOLUMES="$out:$out ${IMAGE_VOLUMES:-}"
for job in "$out"/job/*.json "$out"/job/*.yaml; do
  mode=$([ "${job##*.}" = json ] && echo vertex || echo kfp)
  printf 'rehearse: %s as %s runs it, each step in a container\n' "$(basename "$job")" "$mode"
  .venv/bin/python -m pipeline rehearse "$job" --root "$out/$mode" --mode "$mode" --json \
    --exec-prefix "$PWD/tools/image/run.sh {image}" >"$out/$mode.json"
  .venv/bin/python -m json.tool "$out/$mode.json"
done

digests=$(grep -ho '"constants_digest": "[0-9a-f]*"' "$out"/vertex.json "$out"/kfp.json | sort | uniq -c)
printf 'rehearse: how often each digest of constants came out\n%s\n' "$digests"
[ "$(wc -l <<<"$digests")" = 1 ]
