# SPDX-License-Identifier: Apache-2.0
# Another point of the design space: make PARAMS=synth/points/small.params BUILD=build/small
# Its headers are made in BUILD and found before the committed ones; the build folder stays at its point, with or without PARAMS
# (docs/parameters.md).
POINT := $(BUILD)/params
PARAMS ?= $(wildcard $(POINT)/point.params)
# The synthesis makes its own headers from PARAMS.
# `make -n` writes nothing.
ifneq ($(if $(filter synth synth-%,$(MAKECMDGOALS))$(findstring n,$(firstword -$(MAKEFLAGS))),,$(PARAMS)),)
ifeq ($(BUILD),build)
$(error PARAMS=$(PARAMS): expected a build folder of its own, BUILD=build/$(basename $(notdir $(PARAMS))))
endif
ifneq ($(shell python3 params/generate.py --params '$(PARAMS)' --out '$(POINT)' && echo made),made)
$(error PARAMS=$(PARAMS) is refused)
endif
endif
POINT_INCLUDES := $(if $(wildcard $(POINT)/include),-I$(POINT)/include)
POINT_INCDIR := $(wildcard $(POINT)/generated)
