# SPDX-License-Identifier: Apache-2.0
# Duplex: build, test and measure. `make help` lists the commands.
BUILD ?= build
.DEFAULT_GOAL := all

include mk/point.mk mk/common.mk
include $(sort $(wildcard */room.mk */*/room.mk */*/*/room.mk))
include mk/test.mk mk/docs.mk mk/library.mk mk/install.mk

.PHONY: all help clean
all: $(BUILD)/duplex $(RTL_OUT)/source ## build the command and the library

help: ## list the commands
	@grep -hE '^[a-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' \
	  '{name[NR] = $$1; what[NR] = $$2; if (length($$1) > wide) wide = length($$1)} \
	  END {for (i = 1; i <= NR; i++) printf "  make %-" wide "s  %s\n", name[i], what[i]}'

clean: ## delete everything that was built
	rm -rf $(BUILD)
