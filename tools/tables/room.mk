# SPDX-License-Identifier: Apache-2.0
# Tables of time of published models.
$(BUILD)/make_tables: $(BUILD)/obj/tools/tables/make_tables.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(link_program) $(LDLIBS)

.PHONY: tables
tables: $(BUILD)/make_tables ## tables of time of Mixtral, GLaM, Grok1, Qwen3-30B-A3B and DeepSeek-V3 for `duplex moe --tables`: build/tables
	@mkdir -p $(BUILD)/tables
	@$(BUILD)/make_tables $(BUILD)/tables
