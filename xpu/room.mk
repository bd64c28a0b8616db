# SPDX-License-Identifier: Apache-2.0
# The xPU: its numbers, its time, its way to memory.
LIB_SRC += $(wildcard xpu/*.c)
