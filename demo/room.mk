# SPDX-License-Identifier: Apache-2.0
# The demonstration: an expert of Mixtral's shape, checked against an exact computation.
.PHONY: demo demo-build
OBJ_CFLAGS_exact_expert := -O3
$(BUILD)/exact_expert: $(BUILD)/obj/demo/exact_expert.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(link_program) -lmpfr -lgmp $(LDLIBS)

demo-build: $(BUILD)/duplex $(BUILD)/exact_expert $(BUILD)/rtl/stack_2.so $(BUILD)/timing_judge

demo: ## install what is missing, build, run one expert on the C model and on the RTL, and an MoE layer on a device, compare, report
	@scripts/dependencies.sh build rtl demo
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/duplex
	@$(DEMO_FILES) demo/run.sh $(BUILD) --check
	@$(MAKE) --no-print-directory -j$(JOBS) demo-build
	@$(DEMO_FILES) demo/run.sh $(BUILD)

# The user's own, in the environment of the script.
DEMO_FILES = X='$(X)' GATE='$(GATE)' UP='$(UP)' DOWN='$(DOWN)'
