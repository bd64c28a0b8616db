# SPDX-License-Identifier: Apache-2.0
# The rules that every room uses; compilers and flags are in mk/flags.mk.
# A room adds its C files to LIB_SRC in its room.mk; tests and benches are found by name:
#   tests/<room>/test_<unit>.c                -> $(BUILD)/tests/<room>/test_<unit>     (CMocka)
#   testbench/<room>/<unit>_bench.cpp -> $(BUILD)/verilator/<unit>/<unit>_bench (RTL unit against C unit)
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# Points in numbers, bytes in order.
export LC_ALL := C
.DELETE_ON_ERROR:
.SECONDEXPANSION:

# One line a step, with its number and how many there are; V=1 prints the commands instead.
V ?=
Q := $(if $(filter-out 0,$(V)),,@)
# $(call say,STEP,of what): the line of a step; none under make -s
SILENT := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say = $(if $(COUNTING),@: counted step,$(if $(filter @,$(Q)$(SILENT)),@printf '  [%s/%s] %-9s %s\n' '$(this_step)' '$(STEPS)' '$(1)' '$(2)'))
# All steps of this make, counted by a dry run at the first of them; with the caller's variables if the shell takes them as they are.
ODD_WORDS = $(foreach c,' " ` & ; | < > * ? ~ ! $(open) $(close),$(findstring $(c),$(MAKEOVERRIDES)))
open := (
close := )
STEPS = $(eval STEPS := $(shell MAKEFLAGS= $(MAKE_COMMAND) -n COUNTING=1 $(if $(strip $(ODD_WORDS)),BUILD=$(BUILD),$(MAKEOVERRIDES)) $(MAKECMDGOALS) 2>/dev/null | grep -c '^: counted step'))$(STEPS)
STEPS_DONE :=
this_step = $(eval STEPS_DONE += x)$(words $(STEPS_DONE))
# $(call logged,command): runs it with its output in a log beside the target, which is shown only if the command fails
logged = { $(1); } > $@.log 2>&1 || { cat $@.log >&2; exit 1; }

# After a step that failed: the compiler that is not there, or that a package is missing, and what tells which.
COMPILER = $(firstword $(CC))
tell_missing = { status=$$?; \
  if ! command -v $(COMPILER) >/dev/null; then echo $(call quoted,CC=$(CC): $(COMPILER) is not installed; `make doctor` lists what is) >&2; \
  elif ! scripts/dependencies.sh --check build >/dev/null 2>&1; then echo 'a package is missing: `make doctor` lists what is' >&2; fi; \
  exit $$status; }

LIB_SRC :=
MODEL_SRC :=
CLI_SRC :=
LIB := $(BUILD)/libduplex.a
# WITHOUT: rooms that a library leaves out, for builds that take longer to compile it than to run what needs it.
WITHOUT ?=
LIB_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(WITHOUT:%=%/%),$(LIB_SRC)))
MODEL_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(WITHOUT:%=%/%),$(MODEL_SRC)))
CLI_OBJ = $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
LDLIBS = -ljansson -lpcre2-8 -lutf8proc -lm -ldl

# Other flags compile everything anew, but for -Werror: it changes no object, and the back end rtl calls make without it.
$(call remember,$(BUILD)/flags,$(filter-out -Werror,$(CC) $(ALL_CFLAGS) $(HOT_CFLAGS) $(LDFLAGS)))
$(call remember,$(BUILD)/version,$(file <VERSION))

# Flags for the rooms that compute, behind CFLAGS: builds whose rest is compiled faster than it would run faster.
HOT_CFLAGS ?=
HOT_ROOMS := cmodel xpu schedule serving
hot_cflags = $(if $(filter $(HOT_ROOMS),$(firstword $(subst /, ,$(1)))),$(HOT_CFLAGS))

# Two builders may want an object at once, so that it comes whole or not at all.
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(call hot_cflags,$*) $(OBJ_CFLAGS_$(notdir $*)) -MF $(@:.o=.d) -MT $@ -c $< -o $@.$$$$ && mv -f $@.$$$$ $@ || $(tell_missing)

$(LIB): $$(LIB_OBJ) $$(MODEL_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/duplex: $$(CLI_OBJ) $$(SERVING) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -rdynamic $(LDLIBS)

# Programs of one C file and the library: compiled once, linked whenever the library changes.
link_program = $(CC) $(ALL_CFLAGS) $(LDFLAGS) $< $(filter %.a,$^) -o $@ -rdynamic
.PRECIOUS: $(BUILD)/obj/%.o
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link_program) -lcmocka -lmpfr -lgmp $(LDLIBS)

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/test_*.c))

-include $(shell find $(BUILD)/obj $(BUILD)/tests -name '*.d' 2>/dev/null)
