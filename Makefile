# SPDX-License-Identifier: Apache-2.0
# Duplex: build, test and measure. `make help` lists the commands.
BUILD ?= build
.DEFAULT_GOAL := all

include mk/content.mk mk/point.mk mk/flags.mk mk/common.mk
include $(sort $(wildcard */room.mk */*/room.mk */*/*/room.mk))
include mk/library.mk mk/test.mk mk/docs.mk mk/install.mk

.PHONY: all help clean
all: $(BUILD)/duplex ## build the command and the library

help: ## list the commands
	@grep -hE '^[a-z_-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

clean: ## delete everything that was built
	@scripts/place_verilated.sh --remove $(wildcard $(BUILD)/rtl* $(BUILD)/*/rtl* $(BUILD)/verilator* $(BUILD)/*/verilator*)
	rm -rf $(BUILD)
