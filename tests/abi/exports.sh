#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# exports.sh MAP LIBRARY - whether the library exports the names of the map and no others.
set -eu
map=$1
library=$2

# Names that begin with __ belong to the compiler and its sanitizers.
nm -D --defined-only "$library" | awk '$3 !~ /^__/ { print $3 }' | LC_ALL=C sort |
	diff -u "$map" - || {
	echo "The exports changed: + is not in $map, - is not in the library." >&2
	exit 1
}
