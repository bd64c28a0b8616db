# SPDX-License-Identifier: Apache-2.0
# Programs on the library, with the tree's own headers: $(BUILD)/examples/<folder>/<folder>.
$(BUILD)/examples/%: $(BUILD)/obj/examples/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link_program) $(LDLIBS)

# One of several files, as examples/influence/Makefile builds it against an installed library.
INFLUENCE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard examples/influence/*.c))
$(BUILD)/examples/influence/influence: $(INFLUENCE_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -rdynamic $(LDLIBS)
TEST_NEEDS_cli += $(BUILD)/examples/influence/influence
