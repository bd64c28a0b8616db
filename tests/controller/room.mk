# SPDX-License-Identifier: Apache-2.0
# A firmware with a faulty kernel, for the tests of the controller.
$(BUILD)/tests/controller/faulty.elf: tests/controller/faulty/kernel_faulty.c $(BUILD)/firmware.elf
	@mkdir -p $(@D)
	$(call say,RV32,$@)
	@$(MAKE) -s --no-print-directory BUILD=$(BUILD)/faulty FIRMWARE=tests/controller/faulty $(BUILD)/faulty/firmware.elf
	@cp $(BUILD)/faulty/firmware.elf $@

TEST_NEEDS_unit += $(BUILD)/tests/controller/faulty.elf
TEST_NEEDS_firmware += $(BUILD)/tests/controller/four_ways
# Queues, messages and firmware, on the C model and on the RTL.
CONTROLLER_RTL_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/controller/test_controller_*.c))
$(CONTROLLER_RTL_TESTS) $(BUILD)/tests/controller/four_ways: | $(BUILD)/controller.so $(BUILD)/firmware.elf $(BUILD)/rtl/stack_2.so
$(BUILD)/tests/controller/test_controller_firmware: | $(BUILD)/tests/controller/faulty.elf
# Without the RTL: the C model with the RV32 controller.
CONTROLLER_TESTS := $(BUILD)/tests/controller/test_elf $(BUILD)/tests/controller/test_layer_messages \
  $(BUILD)/tests/controller/test_kernel_faults $(BUILD)/tests/controller/test_firmware_files
$(CONTROLLER_TESTS): | $(BUILD)/controller.so $(BUILD)/firmware.elf $(BUILD)/tests/controller/faulty.elf
