# The kernels as an RV32 program (rv32imc, picolibc), with a budget for its size.
.PHONY: firmware-rv32
RV32_CC ?= riscv64-unknown-elf-gcc
RV32_BUDGET := 8192
RV32_SRC := $(wildcard firmware/kernels/*.c) firmware/port/rv32/main.c firmware/port/rv32/start.S
RV32_CFLAGS := --specs=picolibc.specs -march=rv32imc -mabi=ilp32 -O2 -std=c11 -ffreestanding -ffunction-sections $(WARN) -Icmodel/include -I.

$(BUILD)/firmware.elf: $(RV32_SRC) $(wildcard firmware/*.h firmware/*/*.h firmware/port/rv32/*) $(wildcard cmodel/include/duplex/*.h)
	@mkdir -p $(@D)
	$(RV32_CC) $(RV32_CFLAGS) -nostartfiles -Wl,--gc-sections -Wl,--no-warn-rwx-segments -T firmware/port/rv32/memory.ld $(RV32_SRC) -o $@ || \
	  $(RV32_CC) $(RV32_CFLAGS) -nostartfiles -Wl,--gc-sections -T firmware/port/rv32/memory.ld $(RV32_SRC) -o $@
	@riscv64-unknown-elf-size $@ | awk 'NR == 2 { printf "firmware.elf: %d bytes of code, %d of data, budget $(RV32_BUDGET)\n", $$1, $$2; exit $$1 + $$2 > $(RV32_BUDGET) }'

firmware-rv32: $(BUILD)/firmware.elf $(BUILD)/measure_firmware ## the firmware as RV32: size, instructions per descriptor
	$(BUILD)/measure_firmware $(BUILD)/firmware.elf

TEST_PREREQUISITES += $(BUILD)/firmware.elf
