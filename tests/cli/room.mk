$(BUILD)/tests/cli/oracle_gemm: tests/cli/oracle_gemm.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ -lgmp

TEST_PREREQUISITES += $(BUILD)/tests/cli/oracle_gemm
