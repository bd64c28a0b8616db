# SPDX-License-Identifier: Apache-2.0
TEST_NEEDS_unit += $(BUILD)/tests/model/tokens
