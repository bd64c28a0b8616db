# SPDX-License-Identifier: Apache-2.0
# Compilers, flags and the rules that every room uses.
# A room adds its C files to LIB_SRC in its room.mk; tests and benches are found by name:
#   tests/<room>/test_<unit>.c                -> $(BUILD)/tests/<room>/test_<unit>     (CMocka)
#   testbench/<room>/<unit>_bench.cpp -> $(BUILD)/verilator/<unit>/<unit>_bench (RTL unit against C unit)
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.SECONDEXPANSION:

CC ?= cc
CXX ?= c++
SANITIZE ?=
# One line a step; V=1 prints the commands instead.
V ?=
Q := $(if $(filter-out 0,$(V)),,@)
# $(call say,STEP,of what): the line of a step; none under make -s
SILENT := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(filter @,$(Q)$(SILENT)),@printf '  %-9s %s\n' '$(1)' '$(2)')
# $(call logged,command): runs it with its output in a log beside the target, which is shown only if the command fails
logged = { $(1); } > $@.log 2>&1 || { cat $@.log >&2; exit 1; }

WARN := -Wall -Wextra -Werror
INCLUDES := $(POINT_INCLUDES) -Iinclude -I.
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -DDUPLEX_VERSION_TEXT='"$(shell cat VERSION)"' -D_GNU_SOURCE $(WARN) $(INCLUDES) -fPIC -pthread -ffp-contract=off -MMD -MP $(CFLAGS) $(SANITIZE)
ALL_CXXFLAGS = -std=c++17 $(WARN) $(INCLUDES) -fPIC -pthread -MMD -MP $(CFLAGS) $(SANITIZE)

LIB_SRC :=
CLI_SRC :=
LIB := $(BUILD)/libduplex.a
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CLI_OBJ = $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
LDLIBS = -ljansson -lm -ldl

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(OBJ_CFLAGS_$(notdir $*)) -c $< -o $@

$(LIB): $$(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/duplex: $$(CLI_OBJ) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ -rdynamic $(LDLIBS)

$(BUILD)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -rdynamic -lcmocka -lmpfr -lgmp $(LDLIBS)

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/test_*.c))

-include $(shell find $(BUILD)/obj $(BUILD)/tests -name '*.d' 2>/dev/null)
