# SPDX-License-Identifier: Apache-2.0
# Back ends and controllers in the library; those in shared libraries of their own have room.mk files of theirs.
LIB_SRC += $(wildcard backend/*.c backend/native/*.c)
