# SPDX-License-Identifier: Apache-2.0
# The timing judge as a program.
$(BUILD)/timing_judge: tools/judge/timing_judge.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ $(LDLIBS)

TEST_PREREQUISITES += $(BUILD)/timing_judge
