# SPDX-License-Identifier: Apache-2.0
# Reads waveforms, with the reader that Verilator brings along.
FST_FOLDER = $(RTL_RUNTIME_DIR)/gtkwave
$(BUILD)/fst_values: tools/waves/fst_values.c $(BUILD)/obj/cmodel/common/text_file.o $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -Iinclude $(CFLAGS) -isystem $(FST_FOLDER) -c $< -o $@.o
	$(Q)$(CC) -w $(CFLAGS) -DHAVE_LIBPTHREAD -DFST_CONFIG_INCLUDE='"fst_config.h"' -I$(FST_FOLDER) $@.o \
	  $(BUILD)/obj/cmodel/common/text_file.o $(addprefix $(FST_FOLDER)/,fstapi.c lz4.c fastlz.c) -o $@ -lz -lpthread

# tests/backend/waves.py reads a waveform of one channel, and tests/cli write one.
TEST_NEEDS_cli += $(BUILD)/fst_values $(RTL_OUT)/stack_1_trace.so
