#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with the locked dependencies. Usage: scripts/bootstrap.sh core|dev
# Needs Python 3.11+ and, the first time, the package index that pip is set up for.
set -euo pipefail
cd "$(dirname "$0")/.."
want="${1:-core}"
stamp=".venv/.healthvision-$want"
newer() { [ -f "$1" ] && [ ! uv.lock -nt "$1" ] && [ ! pyproject.toml -nt "$1" ]; }
# The web interface: built when its sources changed; without it the server works and says so.
build_web() { .venv/bin/python scripts/web_build.py build --soft; }
if newer "$stamp" || { [ "$want" = core ] && newer ".venv/.healthvision-dev"; }; then build_web; exit 0; fi

python=""
for name in python3.13 python3.12 python3.11 python3; do
  if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python="$(command -v "$name")"; break
  fi
done
[ -n "$python" ] || { echo "setup: Python 3.11 or newer is needed (Debian: apt-get install python3)" >&2; exit 1; }

exec 9>.bootstrap.lock; flock 9
if [ ! -x .uv/bin/uv ]; then
  echo "setup: fetching uv ..." >&2
  rm -rf .uv
  if ! "$python" -m venv .uv 2>/dev/null; then
    rm -rf .uv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      echo "setup: installing python3-venv ..." >&2
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv .uv
    else
      echo "setup: python3-venv is missing (Debian: apt-get install python3-venv)" >&2; exit 1
    fi
  fi
  .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
fi
echo "setup: installing the locked dependencies into .venv (the first time takes some minutes) ..." >&2
extra=(--no-dev)
[ "${HV_SKIP_WEB:-}" = 1 ] || extra+=(--group web)
[ "$want" = dev ] && extra=(--group dev)
# HV_SKIP_WEB here: not inside the package's own build, but below, with the Node of .venv
HV_SKIP_WEB=1 UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never .uv/bin/uv sync --frozen --python "$python" "${extra[@]}"
touch "$stamp"
build_web
