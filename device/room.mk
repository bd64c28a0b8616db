# SPDX-License-Identifier: Apache-2.0
# A device: an xPU and its stacks.
LIB_SRC += $(wildcard device/*.c)
