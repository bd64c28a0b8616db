# SPDX-License-Identifier: Apache-2.0
# The command.
CLI_SRC += $(wildcard cli/*.c)
OBJ_CFLAGS_main += -DDUPLEX_VERSION_TEXT='"$(file <VERSION)"'
OBJ_CFLAGS_info += -DDUPLEX_VERSION_TEXT='"$(file <VERSION)"'
OBJ_CFLAGS_manual += -DDUPLEX_VERSION_TEXT='"$(file <VERSION)"'
OBJ_CFLAGS_sweep_hash += -DDUPLEX_VERSION_TEXT='"$(file <VERSION)"'
$(BUILD)/obj/cli/main.o $(BUILD)/obj/cli/info.o $(BUILD)/obj/cli/manual.o \
  $(BUILD)/obj/cli/sweep_plan.o: $(BUILD)/version
