# SPDX-License-Identifier: Apache-2.0
# The C model.
LIB_SRC += $(wildcard cmodel/*/*.c)
