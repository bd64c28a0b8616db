# SPDX-License-Identifier: Apache-2.0
$(BUILD)/tests/cli/oracle_gemm: tests/cli/oracle_gemm.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< -o $@ -lgmp

TEST_PREREQUISITES += $(BUILD)/tests/cli/oracle_gemm

$(BUILD)/tests/cli/oracle_attention: tests/cli/oracle_attention.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -lmpfr -lgmp $(LDLIBS)

TEST_PREREQUISITES += $(BUILD)/tests/cli/oracle_attention
