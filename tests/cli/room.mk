# SPDX-License-Identifier: Apache-2.0
# Oracles of the command, and tests of its own files.
TEST_NEEDS_cli += $(BUILD)/tests/cli/oracle_gemm $(BUILD)/tests/cli/oracle_attention

# Unit tests of the command's own files: those that stand alone, as an archive beside the library.
CLI_UNITS := npy source messages progress
$(BUILD)/tests/cli/units.a: $(CLI_UNITS:%=$(BUILD)/obj/cli/%.o) tests/cli/room.mk
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(filter %.o,$^)
$(BUILD)/tests/cli/test_npy: $(BUILD)/tests/cli/units.a
