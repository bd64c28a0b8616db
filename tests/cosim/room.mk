# SPDX-License-Identifier: Apache-2.0
TEST_PREREQUISITES += $(BUILD)/tests/cosim/attention
