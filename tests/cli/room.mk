# SPDX-License-Identifier: Apache-2.0
TEST_NEEDS_cli += $(BUILD)/tests/cli/oracle_gemm $(BUILD)/tests/cli/oracle_attention
