#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints the pkg-config file of an installation. usage: scripts/pkg_config.sh PREFIX VERSION
# Blanks and quotes of the prefix are escaped as pkg-config reads them.
set -eu
prefix=$(printf '%s' "$1" | sed -e 's/[\\ "'"'"']/\\&/g')
cat <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: duplex
Description: Duplex: host library and bit-exact C model of Logic-PIM stacks on HBM3
Version: $2
Cflags: -I\${includedir}
Libs: -L\${libdir} -lduplex
Libs.private: -lm -ldl -pthread
PC
