# SPDX-License-Identifier: Apache-2.0
# Unit tests of the serving simulator are linked with it.
$(BUILD)/tests/serving/%: $(BUILD)/obj/tests/serving/%.o $(SERVING) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< $(SERVING) $(LIB) -o $@ -rdynamic -lcmocka $(LDLIBS)
TEST_NEEDS_serving += $(BUILD)/tests/serving/layer_times
