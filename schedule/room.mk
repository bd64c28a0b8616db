# SPDX-License-Identifier: Apache-2.0
# The policies and their tables: freestanding, but for tables_file.c and bound.c.
LIB_SRC += $(wildcard schedule/*.c)
