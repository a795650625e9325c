#!/usr/bin/env bash
# The sdist's tests against the wheel, in a new environment and outside the clone.
# Usage: tools/test_wheel.sh PYTHON EXTRAS [PYTEST ARGUMENTS]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$1 extras=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$root/.venv/bin/python" -m build --outdir "$folder" "$root"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -c "$root/constraints.txt" "$(echo "$folder"/*.whl)[$extras]"
tar xzf "$folder"/*.tar.gz -C "$folder"
cd "$folder"/nasurge-*/
# The folder of the tests has a part of the package only, which must not be taken for it.
export PYTHONSAFEPATH=1
"$folder/venv/bin/python" -c 'import nasurge; print("tested:", nasurge.__file__)'
"$folder/venv/bin/python" -m pytest -n 2 --dist worksteal "$@"
