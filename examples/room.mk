# SPDX-License-Identifier: Apache-2.0
# Programs on the library, with the tree's own headers: $(BUILD)/examples/<folder>/<folder>.
$(BUILD)/examples/%: $(BUILD)/obj/examples/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link_program) $(LDLIBS)
