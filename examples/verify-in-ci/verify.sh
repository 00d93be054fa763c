#!/usr/bin/env bash
# Verify a model's proof in the build of a project that uses the model.
#   verify.sh PROOF EXPECTED.json [WEIGHTS]
# Ends with zkdl's exit status: 0 valid and as expected, 1 false or something else than expected, 3 no proof.
set -euo pipefail
proof=$1 expected=$2 weights=${3:-}

options=(--expect "$expected" --json --quiet)
if [ -n "$weights" ]; then
  options+=(--weights "$weights")
fi
status=0
zkdl verify "$proof" "${options[@]}" > verified.json || status=$?
python3 -c 'import json; print(json.load(open("verified.json"))["code"])'
exit "$status"
