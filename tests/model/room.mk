# SPDX-License-Identifier: Apache-2.0
TEST_NEEDS_unit += $(BUILD)/tests/model/tokens
TEST_NEEDS_cli += $(BUILD)/tests/model/toy_model
