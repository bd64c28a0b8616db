# SPDX-License-Identifier: Apache-2.0
# The firmware as an RV32 program (rv32imc, picolibc), with a budget for its size. No heap: nothing of the C library is linked
# that needs one (the check below). FIRMWARE=folder adds the kernel of that folder (docs/kernel_howto.md), natively too.
.PHONY: firmware-rv32
RV32_PREFIX ?= riscv64-unknown-elf-
RV32_CC ?= $(RV32_PREFIX)gcc
RV32_BUDGET ?= 35840
RV32_STACK_BUDGET := 1024
RV32_SRC = $(wildcard firmware/kernels/*.c firmware/protocol/*.c) $(FIRMWARE_SCHEDULE_SRC) $(FIRMWARE_SRC) \
  $(wildcard firmware/port/rv32/*.c) firmware/port/rv32/start.S
RV32_CFLAGS = --specs=picolibc.specs -march=rv32imc -mabi=ilp32 -O3 -flto -fno-partial-inlining -g -fno-tree-loop-distribute-patterns \
  -std=c11 -ffreestanding -ffunction-sections -fdata-sections \
  -fno-unwind-tables -fno-asynchronous-unwind-tables -Wstack-usage=$(RV32_STACK_BUDGET) $(WARN) $(FIRMWARE_DEFINES) $(INCLUDES)
RV32_LINK := -nostartfiles -Wl,--gc-sections -Wl,--fatal-warnings -T firmware/port/rv32/memory.ld
RV32_NO_RWX := $(shell $(RV32_PREFIX)ld --help 2>/dev/null | grep -q no-warn-rwx && echo -Wl,--no-warn-rwx-segments)
$(call remember,$(BUILD)/rv32.flags,$(filter-out -Werror,$(RV32_CC) $(RV32_CFLAGS)))

$(BUILD)/firmware.elf: $$(RV32_SRC) $(wildcard schedule/*.h firmware/*.h firmware/*/*.h firmware/port/rv32/*) \
  $(wildcard include/duplex/*.h $(POINT)/include/duplex/*.h) $(BUILD)/firmware.name $(BUILD)/rv32.flags
	@mkdir -p $(@D)
	$(call say,RV32,$@)
	$(Q)$(RV32_CC) $(RV32_CFLAGS) $(RV32_LINK) $(RV32_NO_RWX) $(RV32_SRC) -o $@.new
	@! $(RV32_PREFIX)nm $@.new | grep -wE 'malloc|sbrk|_sbrk|__heap_start_used' || { echo "firmware.elf: the firmware must not use a heap" >&2; exit 1; }
	@$(RV32_PREFIX)size $@.new | awk 'NR == 2 { \
	  printf "            %d bytes of code, %d of data, budget $(RV32_BUDGET)\n", $$1, $$2; exit $$1 + $$2 > $(RV32_BUDGET) }'
	@mv $@.new $@

firmware-rv32: $(BUILD)/firmware.elf $(BUILD)/controller.so ## the firmware as RV32, and the controller that runs it
