# SPDX-License-Identifier: Apache-2.0
# The random jobs of attention on both back ends.
TEST_NEEDS_cosim += $(BUILD)/tests/cosim/attention
