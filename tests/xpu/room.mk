# SPDX-License-Identifier: Apache-2.0
# The sweep over all binary32 numbers of the exponential.
TEST_NEEDS_unit += $(BUILD)/tests/xpu/exponential_all
