# SPDX-License-Identifier: Apache-2.0
# Several stacks in several threads, under the thread sanitizer.
.PHONY: threads
threads: ## several stacks in several threads under the thread sanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE="-fsanitize=thread" CFLAGS="-O1 -g" $(BUILD)/tsan/tests/driver/test_threads
	@TSAN_OPTIONS=halt_on_error=1 $(BUILD)/tsan/tests/driver/test_threads
# Clocks of layers, on the C model and on the RTL.
TEST_NEEDS_firmware += $(BUILD)/tests/driver/layer_times
$(BUILD)/tests/driver/layer_times: | $(BUILD)/controller.so $(BUILD)/firmware.elf $(BUILD)/rtl/stack_2.so
