# SPDX-License-Identifier: Apache-2.0
# The measurement of errors, a program that rows of the plan run.
TEST_NEEDS_unit += $(BUILD)/tests/attention/quality
