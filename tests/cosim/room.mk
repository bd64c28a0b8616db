TEST_PREREQUISITES += $(BUILD)/tests/cosim/attention
