#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that tests use as real peers. Only as root; otherwise says what is missing.
set -euo pipefail
declare -A packages=(
  [/usr/lib/postgresql]=postgresql [redis-server]=redis-server [storescu]=dcmtk [dciodvfy]=dicom3tools
  [haproxy]=haproxy [pdftoppm]=poppler-utils [unshare]=util-linux [openssl]=openssl
  [chromium]=chromium [/usr/share/fonts/opentype/noto]=fonts-noto-cjk [gcc]='gcc libc6-dev'
)
missing=()
for probe in "${!packages[@]}"; do
  if [[ "$probe" = */postgresql ]]; then compgen -G "$probe/*/bin/initdb" >/dev/null || missing+=("${packages[$probe]}")
  elif [[ "$probe" = /* ]]; then compgen -G "$probe/*CJK*" >/dev/null || missing+=("${packages[$probe]}")
  else PATH="$PATH:/usr/sbin:/sbin" command -v "$probe" >/dev/null || missing+=(${packages[$probe]}); fi
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "services: not installed, their tests will be skipped: ${missing[*]}" >&2; exit 0
fi
echo "services: installing ${missing[*]} ..." >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# No service may start by itself: the tests start their own on loopback.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.hv && chmod +x /usr/sbin/policy-rc.d.hv
restore=""; [ -e /usr/sbin/policy-rc.d ] && { mv /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.before; restore=1; }
mv /usr/sbin/policy-rc.d.hv /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d; [ -n "$restore" ] && mv /usr/sbin/policy-rc.d.before /usr/sbin/policy-rc.d || true' EXIT
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
