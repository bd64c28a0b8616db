# SPDX-License-Identifier: Apache-2.0
# What the group bandwidth of the plan needs, and its two commands by hand.
.PHONY: bandwidth cycles
BANDWIDTH_NEEDS = $(BUILD)/duplex $(BUILD)/timing_judge rtl

bandwidth: ## what the streams reach of the bandwidth, beside the targets: SEED=s, QUICK=1 for a sample
	@$(MAKE) -s --no-print-directory $(BANDWIDTH_NEEDS)
	@tests/bandwidth/bandwidth.py $(BUILD) --seed $(or $(SEED),1) $(if $(QUICK),--sample)

cycles: ## clocks of the C model against those of the RTL on random jobs: SEED=s, N=60 jobs
	@$(MAKE) -s --no-print-directory $(BANDWIDTH_NEEDS) firmware-rv32
	@tests/bandwidth/cycles.py $(BUILD) --seed $(or $(SEED),1) --jobs $(or $(N),60)
