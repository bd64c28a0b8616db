# SPDX-License-Identifier: Apache-2.0
# The RV32 controller: a library of its own over Unicorn, which the command loads for --firmware riscv.
CONTROLLER_SRC := $(filter-out backend/rv32/loader.c,$(wildcard backend/rv32/*.c))
LIB_SRC += backend/rv32/loader.c

$(BUILD)/controller.so: $(CONTROLLER_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/cmodel/common/error.o $(BUILD)/obj/cmodel/common/text_file.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -shared -Wl,-Bsymbolic $^ -o $@ -lunicorn
