#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints a pkg-config file of an installation: duplex.pc, or duplex-systemc.pc. usage: scripts/pkg_config.sh PREFIX VERSION [systemc]
# Blanks and quotes of the prefix are escaped as pkg-config reads them.
set -eu
prefix=$(printf '%s' "$1" | sed -e 's/[\\ "'"'"']/\\&/g')
if [ "${3:-}" = systemc ]; then
  cat <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: duplex-systemc
Description: Duplex: Logic-PIM stacks and HBM3 memory as SystemC TLM-2.0 modules (libsystemc is as of C++17)
Version: $2
Requires: duplex systemc
Cflags: -std=c++17 -DSC_CPLUSPLUS=201703L -I\${includedir}
Libs: -L\${libdir} -lduplex-systemc
PC
  exit
fi
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
