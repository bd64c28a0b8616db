# SPDX-License-Identifier: Apache-2.0
# Several stacks in several threads, under the thread sanitizer: more to compile than to run, so of the library only what a stack needs.
.PHONY: threads
threads: ## several stacks in several threads under the thread sanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE="-fsanitize=thread" CFLAGS="-O0 -g1" HOT_CFLAGS=-O1 HOT_ROOMS=cmodel WITHOUT="device xpu model" $(BUILD)/tsan/tests/driver/test_threads
	@TSAN_OPTIONS=halt_on_error=1 $(BUILD)/tsan/tests/driver/test_threads
# Clocks of layers, on the C model and on the RTL.
TEST_NEEDS_firmware += $(BUILD)/tests/driver/layer_times
$(BUILD)/tests/driver/layer_times: | $(BUILD)/controller.so $(BUILD)/firmware.elf $(BUILD)/rtl/stack_2.so
