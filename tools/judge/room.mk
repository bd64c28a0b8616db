# SPDX-License-Identifier: Apache-2.0
# The timing judge as a program.
$(BUILD)/timing_judge: $(BUILD)/obj/tools/judge/timing_judge.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(link_program) $(LDLIBS)
