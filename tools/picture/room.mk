# SPDX-License-Identifier: Apache-2.0
# Pictures: the device, from the parameters; a channel at work, from a run of the RTL; a layer, from one of the C model.
.PHONY: picture layer-picture pictures pictures-check
PICTURE_BUNDLES ?= 0,1,2
PICTURE_RULE ?= paper
PICTURE_CLOCKS := --from 4500 --clocks 3200 --zoom 240
picture: ## a channel over time, from a run of the RTL: build/commands.svg (PICTURE_BUNDLES=0,1,2 PICTURE_RULE=paper)
	@$(MAKE) -s --no-print-directory $(BUILD)/duplex rtl
	@mkdir -p $(BUILD)/picture
	@$(BUILD)/duplex random --shape 8,1024 --dist normal:1 --out $(BUILD)/picture/x.npy
	@$(BUILD)/duplex random --shape 896,1024 --dist normal:0.02 --out $(BUILD)/picture/w.npy
	@$(BUILD)/duplex gemm --x $(BUILD)/picture/x.npy --w $(BUILD)/picture/w.npy --out $(BUILD)/picture/y.npy \
	  --backend rtl --channels 2 --bundles $(PICTURE_BUNDLES) --activation-rule $(PICTURE_RULE) --xpu-traffic stream \
	  --command-trace $(BUILD)/picture/commands.txt
	@tools/picture/commands.py $(BUILD)/picture/commands.txt params/dram/hbm3_5200.preset $(BUILD)/commands.svg \
	  $(PICTURE_CLOCKS)
	@echo $(BUILD)/commands.svg

# Its clocks are those of the C model, which are the same on every machine.
LAYER := $(BUILD)/picture/layer
layer-picture: $(BUILD)/duplex ## an MoE layer over time, from a run of the C model: build/layer.svg
	@mkdir -p $(LAYER)
	@$(BUILD)/duplex random --shape 16,512 --seed 1 --dist normal:1 --out $(LAYER)/x.npy
	@$(BUILD)/duplex random --shape 4,512 --seed 2 --dist normal:0.05 --out $(LAYER)/router.npy
	@$(BUILD)/duplex random --shape 4,1024,512 --seed 3 --dist normal:0.02 --out $(LAYER)/up.npy
	@$(BUILD)/duplex random --shape 4,512,1024 --seed 4 --dist normal:0.02 --out $(LAYER)/down.npy
	@$(BUILD)/duplex moe --x $(LAYER)/x.npy --router $(LAYER)/router.npy --gate $(LAYER)/up.npy \
	  --up $(LAYER)/up.npy --down $(LAYER)/down.npy --channels 2 --stacks 2 --copies 1 --quiet --out $(LAYER)/y.npy \
	  --stats $(LAYER)/stats.json --timeline-picture $(BUILD)/layer.svg
	@echo $(BUILD)/layer.svg

pictures: picture layer-picture ## the pictures of README and docs anew: docs/pictures/device.svg, commands.svg, layer.svg
	@tools/picture/device.py params/hardware.params docs/pictures/device.svg
	@cp $(BUILD)/commands.svg $(BUILD)/layer.svg docs/pictures
	@echo docs/pictures/device.svg docs/pictures/commands.svg docs/pictures/layer.svg

pictures-check: layer-picture # those that need no RTL are what the parameters and the C model give
	@tools/picture/device.py params/hardware.params docs/pictures/device.svg --check
	@cmp $(BUILD)/layer.svg docs/pictures/layer.svg || \
	  { echo 'docs/pictures/layer.svg: another layer than that of the C model, make pictures makes it anew'; exit 1; }
