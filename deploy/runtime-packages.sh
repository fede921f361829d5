#!/bin/sh
# The Debian packages whose shared libraries a binary needs, one a line:
#   sh deploy/runtime-packages.sh build/tidegate
set -eu
ldd "$1" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | while read -r library; do
  # dpkg knows the path as it was packaged: /lib is a link to /usr/lib, and either may be the one.
  real=$(readlink -f "$library")
  dpkg -S "$real" 2>/dev/null || dpkg -S "${real#/usr}"
done | sed 's/:.*//' | sort -u
