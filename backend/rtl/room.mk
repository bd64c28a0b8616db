# SPDX-License-Identifier: Apache-2.0
# The Verilated stack behind the interface of duplex/backend.h: one shared library per number of channels.
#
# A channel holds 512 multipliers, so it is Verilated and compiled once, as a library (`--lib-create`) that every variant links; stack.v
# is elaborated whole in each variant over the wrapper module that Verilator writes for the channel. Variants with wave files
# (stack_<N>_trace.so) are Verilated flat instead, since such a library shows no signals inside. So `channel` has no parameters, and
# paths through it from input to output without a register cost simulation time: each makes its wrapper run again.
#   make rtl                        the variants of RTL_VARIANTS
#   make build/rtl/stack_5.so       another number of channels (duplex_rtl_open does this on demand)
#   make build/rtl/stack_5_trace.so the same with FST tracing
#   make RTL_TIMING=hbm3_6400-rtr1 build/rtl-hbm3_6400-rtr1/stack_2.so   another DRAM preset, and 1 tCK for a rank switch
VERILATOR ?= verilator
RTL_VARIANTS ?= 2
RTL_OPTIMIZE ?= -O3
RTL_TIMING ?=
RTL_OUT := $(BUILD)/rtl$(if $(RTL_TIMING),-$(RTL_TIMING))
RTL_TIMING_WORDS := $(subst -rtr, ,$(RTL_TIMING))
RTL_TIMING_FLAGS := $(if $(RTL_TIMING),'-DDUPLEX_DRAM_PRESET="dram_$(word 1,$(RTL_TIMING_WORDS)).vh"' -DDUPLEX_RANK_SWITCH=$(word 2,$(RTL_TIMING_WORDS)))
RTL_HARNESS := backend/rtl
RTL_RUNTIME_DIR := $(shell $(VERILATOR) --getenv VERILATOR_ROOT 2>/dev/null)/include
RTL_PARAMETERS := $(wildcard params/generated/*.vh rtl/*/*.vh $(POINT_INCDIR:%=%/*.vh))
RTL_MODEL_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard cmodel/hbm/*.c cmodel/common/*.c))
# SANITIZE is for the harness and the C model: Verilator's own code and what it writes are not ours to check.
RTL_CFLAGS = -fPIC -fvisibility=hidden -fno-gnu-unique
# What runs every clock is compiled with RTL_OPTIMIZE, what runs once quickly.
RTL_MAKE = $(MAKE) -s --no-print-directory OPT_FAST="$(RTL_OPTIMIZE)" OPT_SLOW=-O0 OPT_GLOBAL=-O2
RTL_VERILATE = $(VERILATOR) --cc $(VERILATOR_FLAGS) $(VERILATOR_ASSERT) $(RTL_TIMING_FLAGS) -Wno-fatal -Wno-UNOPTFLAT --output-split 20000 -CFLAGS "$(RTL_CFLAGS)"

LIB_SRC += $(RTL_HARNESS)/loader.c
TEST_PREREQUISITES += rtl

.PHONY: rtl
rtl: $(foreach n,$(RTL_VARIANTS),$(RTL_OUT)/stack_$(n).so) ## Verilate and compile the stack: RTL_VARIANTS="2 4 32"

# Where duplex_rtl_open finds the sources of the libraries beside it: source folder, build folder, sanitizers.
$(RTL_OUT)/source: $(RTL_HARNESS)/room.mk
	@mkdir -p $(@D)
	@printf '%s\n' '$(CURDIR)' '$(abspath $(BUILD))' '$(SANITIZE)' > $@

$(RTL_OUT)/channel/libchannel.a: $(wildcard rtl/channel/*.v) $(RTL_HARNESS)/room.mk
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,channel)
	$(Q)$(call logged,$(RTL_VERILATE) --lib-create channel $(RTL_SEARCH) --top-module channel --Mdir $(@D) $(call rtl_of,channel) && \
	  $(RTL_MAKE) -j2 -C $(@D) -f Vchannel.mk libchannel.a)
	@sed -e 's|^[^:]*: |$@: |' $(@D)/Vchannel__ver.d > $@.d
	@sed -e 's|^[^:]*: *||' $(@D)/Vchannel__ver.d | tr ' ' '\n' | sed -n -e 's|\(..*\)|\1:|p' >> $@.d
-include $(wildcard $(RTL_OUT)/channel/libchannel.a.d)

# The stack without the inside of its channels. -y finds channel.sv, the wrapper, before channel.v is looked for.
$(RTL_OUT)/top_%/Vstack__ALL.a: $(RTL_OUT)/channel/libchannel.a $(wildcard rtl/*/*.v) $(RTL_PARAMETERS) $(RTL_HARNESS)/room.mk
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,stack of $* channels)
	$(Q)$(call logged,$(RTL_VERILATE) $(RTL_SEARCH) --top-module stack -GCHANNELS=$* --Mdir $(@D) $(RTL_OUT)/channel/channel.sv $(call rtl_of,stack) && \
	  $(RTL_MAKE) -j2 -C $(@D) -f Vstack.mk Vstack__ALL.a)

$(RTL_OUT)/trace_%/Vstack__ALL.a: $(wildcard rtl/*/*.v) $(RTL_PARAMETERS) $(RTL_HARNESS)/room.mk $(RTL_HARNESS)/trace.vlt
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,stack of $* channels with waves)
	$(Q)$(call logged,$(RTL_VERILATE) --trace-fst --trace-max-width 4096 --trace-max-array 64 $(RTL_SEARCH) --top-module stack -GCHANNELS=$* --Mdir $(@D) $(RTL_HARNESS)/trace.vlt $(call rtl_of,stack) && \
	  $(MAKE) -s --no-print-directory OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 -j2 -C $(@D) -f Vstack.mk Vstack__ALL.a)

# Verilator's own run-time library, once for all variants.
$(RTL_OUT)/runtime/%.o: $(RTL_RUNTIME_DIR)/%.cpp $(RTL_HARNESS)/room.mk
	@mkdir -p $(@D)
	$(call say,CXX,$(notdir $<))
	$(Q)$(CXX) -std=c++17 -O2 $(RTL_CFLAGS) -w -DVM_TRACE=1 -DVM_TRACE_FST=1 -DVM_COVERAGE=0 -DVM_SC=0 -I$(RTL_RUNTIME_DIR) -I$(RTL_RUNTIME_DIR)/vltstd -c $< -o $@
RTL_RUNTIME := $(addprefix $(RTL_OUT)/runtime/,verilated.o verilated_dpi.o verilated_threads.o)

# $(call rtl_library,folder of Vstack__ALL.a,trace 0 or 1,other inputs): harness and model become one library that exports two names.
define rtl_library
$(CXX) -std=c++17 $(WARN) $(INCLUDES) -O2 -g $(RTL_CFLAGS) $(SANITIZE) -DVM_TRACE=$(2) -DVM_TRACE_FST=$(2) -DRTL_TRACE=$(2) -isystem $(RTL_RUNTIME_DIR) -isystem $(RTL_RUNTIME_DIR)/vltstd -isystem $(1) \
	  -MMD -MP -MF $@.d -MT $@ -shared -Wl,-Bsymbolic -Wl,--version-script=$(RTL_HARNESS)/exports.map \
	  $(RTL_HARNESS)/harness.cpp $(filter %.o,$^) $(1)/Vstack__ALL.a $(3) -lz -pthread -latomic -o $@.new && mv $@.new $@
endef

$(RTL_OUT)/stack_%_trace.so: $(RTL_OUT)/trace_%/Vstack__ALL.a $(RTL_HARNESS)/harness.cpp $(RTL_RUNTIME) $$(RTL_MODEL_OBJ) $(RTL_HARNESS)/exports.map $(RTL_OUT)/source
	$(call say,LD,$@)
	$(Q)$(call rtl_library,$(RTL_OUT)/trace_$*,1,)

$(RTL_OUT)/stack_%.so: $(RTL_OUT)/top_%/Vstack__ALL.a $(RTL_HARNESS)/harness.cpp $(RTL_RUNTIME) $$(RTL_MODEL_OBJ) $(RTL_HARNESS)/exports.map $(RTL_OUT)/channel/libchannel.a $(RTL_OUT)/source
	$(call say,LD,$@)
	$(Q)$(call rtl_library,$(RTL_OUT)/top_$*,0,$(RTL_OUT)/channel/libchannel.a)
-include $(wildcard $(RTL_OUT)/stack_*.so.d)
.SECONDARY: $(RTL_RUNTIME)
.PRECIOUS: $(RTL_OUT)/top_%/Vstack__ALL.a $(RTL_OUT)/trace_%/Vstack__ALL.a $(RTL_OUT)/runtime/%.o
