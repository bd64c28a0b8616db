# SPDX-License-Identifier: Apache-2.0
$(BUILD)/tests/attention/quality: tests/attention/quality.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -lmpfr -lgmp $(LDLIBS)

TEST_PREREQUISITES += $(BUILD)/tests/attention/quality
