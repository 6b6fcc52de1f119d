#!/bin/sh
# What people do instead: pip install -t in a container, then zip -r. Usage: IMAGE CACHE LOCK OUTPUT PYTHON
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$3" "$work/requirements.txt"
# Behind a company's certificate authority pip needs to know it, as it does on the host.
set -- "$1" "$2" "$4" "$5" "${PIP_CERT:-${SSL_CERT_FILE:-}}"
if [ -n "$5" ]; then cp "$5" "$work/ca.pem"; fi
docker run --rm -v "$2:/root/.cache/pip" -v "$work:/work" ${5:+-e PIP_CERT=/work/ca.pem} "$1" \
    "python$4" -m pip install --quiet --disable-pip-version-check -r /work/requirements.txt -t /work/out/python
(cd "$work/out" && zip -qr layer.zip python)
cp "$work/out/layer.zip" "$3"
