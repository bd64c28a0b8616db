# SPDX-License-Identifier: Apache-2.0
# The policies alone as an RV32 program, whose instructions test_schedule_cost counts.
SCHEDULE_FREESTANDING := $(filter-out $(patsubst %,schedule/%.c,alone bound charge copies formula parts phases place predict sample stages tables_file worth),\
  $(wildcard schedule/*.c))
$(BUILD)/tests/schedule/decide.elf: $(SCHEDULE_FREESTANDING) $(wildcard schedule/*.h) $(BUILD)/rv32.flags
	@mkdir -p $(@D)
	$(call say,RV32,$@)
	$(Q)$(RV32_CC) $(RV32_CFLAGS) -nostartfiles -nostdlib -Wl,--gc-sections -Wl,-e,schedule_decide -T firmware/port/rv32/memory.ld $(RV32_NO_RWX) $(SCHEDULE_FREESTANDING) -o $@ -lc -lgcc

$(BUILD)/tests/schedule/test_schedule_cost: $(BUILD)/obj/tests/schedule/test_schedule_cost.o $(LIB) | $(BUILD)/tests/schedule/decide.elf
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link_program) -lcmocka -lunicorn $(LDLIBS)
