# SPDX-License-Identifier: Apache-2.0
# Pictures: the device, from the parameters, and a channel at work, from a run of the RTL.
.PHONY: picture pictures pictures-check
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

pictures: picture ## both pictures of the README anew: docs/pictures/device.svg and docs/pictures/commands.svg
	@tools/picture/device.py params/hardware.params docs/pictures/device.svg
	@cp $(BUILD)/commands.svg docs/pictures/commands.svg
	@echo docs/pictures/device.svg docs/pictures/commands.svg

pictures-check: # the one that needs no RTL is what the parameters give
	@tools/picture/device.py params/hardware.params docs/pictures/device.svg --check
