# SPDX-License-Identifier: Apache-2.0
# Programs that make small models and print tokens.
TEST_NEEDS_unit += $(BUILD)/tests/model/tokens
TEST_NEEDS_cli += $(BUILD)/tests/model/toy_model
