# SPDX-License-Identifier: Apache-2.0
# Programs on the library, with the tree's own headers: $(BUILD)/examples/<folder>/<folder>.
$(BUILD)/examples/%: examples/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -rdynamic $(LDLIBS)
