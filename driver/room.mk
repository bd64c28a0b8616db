# SPDX-License-Identifier: Apache-2.0
# The host library.
LIB_SRC += $(wildcard driver/*.c)
