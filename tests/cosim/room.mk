# SPDX-License-Identifier: Apache-2.0
TEST_NEEDS_cosim += $(BUILD)/tests/cosim/attention
