# SPDX-License-Identifier: Apache-2.0
# Programs on whole devices that rows of the plan run.
TEST_NEEDS_unit += $(BUILD)/tests/device/alone $(BUILD)/tests/device/mixed_stage $(BUILD)/tests/device/predicted $(BUILD)/tests/device/pays $(BUILD)/tests/device/ways
