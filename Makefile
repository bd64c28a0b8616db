# SPDX-License-Identifier: Apache-2.0
# Duplex: build, test and measure. `make help` lists the commands.
BUILD ?= build
.DEFAULT_GOAL := all

include mk/point.mk mk/common.mk
include $(sort $(wildcard */room.mk */*/room.mk */*/*/room.mk))
include mk/test.mk mk/docs.mk mk/library.mk mk/install.mk mk/pypi.mk

.PHONY: all help clean
all: $(BUILD)/duplex $(RTL_OUT)/source ## build the command and the library

help: ## list the commands
	@grep -hE '^[a-z_-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

clean: ## delete everything that was built
	rm -rf $(BUILD)
