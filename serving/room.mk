# SPDX-License-Identifier: Apache-2.0
# The serving simulator. It needs jansson, so it is part of the command and not of libduplex.
SERVING_SRC := $(wildcard serving/*.c)
SERVING_OBJ := $(SERVING_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/serving/builtin_configs.o
CONFIGS := $(sort $(wildcard configs/*.json configs/*/*.json configs/*/*.times))

# The configuration files as texts of C.
$(BUILD)/obj/serving/builtin_configs.c: $(CONFIGS) serving/room.mk
	@mkdir -p $(@D)
	$(call say,TEXT,$@)
	$(Q){ echo '#include "serving/builtin_configs.h"'; echo 'const struct builtin_config builtin_configs[] = {'; \
	  for file in $(CONFIGS); do name=$${file#configs/}; name=$${name%.json}; echo "{\"$${name%.times}\","; \
	  sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $$file; echo '},'; done; echo '{0}};'; } > $@

$(BUILD)/obj/serving/builtin_configs.o: $(BUILD)/obj/serving/builtin_configs.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $(@:.o=.d) -MT $@ -c $< -o $@

SERVING := $(BUILD)/libserving.a
$(SERVING): $(SERVING_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

# The tables of time of all built-in models and systems, measured anew on the C model.
.PHONY: serving-tables
serving-tables: $(BUILD)/duplex ## measure the tables of configs/tables anew on the C model (ten minutes on two processors)
	@serving/tables.sh $(BUILD) configs/tables
