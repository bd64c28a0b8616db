# SPDX-License-Identifier: Apache-2.0
# Duplex: build, test and measure. `make help` lists the commands.
BUILD ?= build
.DEFAULT_GOAL := all

include mk/content.mk mk/point.mk mk/flags.mk mk/common.mk
include $(sort $(wildcard */room.mk */*/room.mk */*/*/room.mk))
include mk/library.mk mk/test.mk mk/docs.mk mk/install.mk mk/pypi.mk

.PHONY: all help clean
all: $(BUILD)/duplex ## build the command and the library

help: ## list the commands
	@grep -hE '^[a-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' \
	  '{name[NR] = $$1; what[NR] = $$2; if (length($$1) > wide) wide = length($$1)} \
	  END {for (i = 1; i <= NR; i++) printf "  make %-" wide "s  %s\n", name[i], what[i]}'

clean: ## delete everything that was built
	@scripts/place_verilated.sh --remove $(wildcard $(BUILD)/synth $(BUILD)/rtl* $(BUILD)/*/rtl* $(BUILD)/verilator* $(BUILD)/*/verilator*)
	rm -rf $(BUILD)
