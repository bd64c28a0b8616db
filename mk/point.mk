# SPDX-License-Identifier: Apache-2.0
# The parameters: headers that are those of their sources, and other points of the design space.
PYTHON ?= python3
# A source that changed, whatever its time: the headers are made anew, which needs Python.
ifeq ($(DRY)$(filter regen check-generated,$(MAKECMDGOALS)),)
HEADERS_STATE := $(shell sha256sum --status --check params/generated/sources.sha256 2>/dev/null && echo good)
ifneq ($(HEADERS_STATE),good)
ifneq ($(shell $(PYTHON) params/generate.py && echo made),made)
$(error params/generated is not what VERSION, rtl/files.f and params/ give, and $(PYTHON) params/generate.py cannot make it anew)
endif
$(info params: the generated headers were made anew)
endif
ifneq ($(shell grep registers.rdl params/generated/registers.sha256 | sha256sum --status --check - 2>/dev/null && echo good),good)
$(error params/registers.rdl changed: run make regen, which needs systemrdl-compiler of PyPI)
endif
endif

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
