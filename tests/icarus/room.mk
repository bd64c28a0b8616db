# SPDX-License-Identifier: Apache-2.0
# The recorder of what the plain Verilog bench plays.
TEST_NEEDS_bench += $(BUILD)/tests/icarus/record

# After a change of clocks or of the firmware's accesses; tests/icarus/run.sh compares.
.PHONY: icarus-script
icarus-script: $(BUILD)/tests/icarus/record
	@$< gemm 1 8 64 1 > tests/icarus/gemm.script
