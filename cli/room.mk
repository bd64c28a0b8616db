# SPDX-License-Identifier: Apache-2.0
# The command.
CLI_SRC += $(wildcard cli/*.c)
