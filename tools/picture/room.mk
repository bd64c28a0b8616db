# Pictures of real runs.
.PHONY: picture
PICTURE_BUNDLES ?= 0,1,2
PICTURE_RULE ?= paper
picture: ## the DRAM commands of a channel over time, from a run of the RTL: build/commands.svg (PICTURE_BUNDLES=0,1,2 PICTURE_RULE=paper)
	@$(MAKE) -s --no-print-directory $(BUILD)/duplex rtl
	@mkdir -p $(BUILD)/picture
	@$(BUILD)/duplex random --shape 8,1024 --dist normal:1 --out $(BUILD)/picture/x.npy
	@$(BUILD)/duplex random --shape 896,1024 --dist normal:0.02 --out $(BUILD)/picture/w.npy
	@$(BUILD)/duplex gemm --x $(BUILD)/picture/x.npy --w $(BUILD)/picture/w.npy --out $(BUILD)/picture/y.npy --backend rtl --channels 2 \
	  --bundles $(PICTURE_BUNDLES) --activation-rule $(PICTURE_RULE) --xpu-traffic stream --command-trace $(BUILD)/picture/commands.txt
	@tools/picture/commands.py $(BUILD)/picture/commands.txt params/dram/hbm3_5200.preset $(BUILD)/commands.svg --from 4500 --clocks 3600
	@echo $(BUILD)/commands.svg
