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
# -O3 compiles for 2.5 times as long and simulates 9% faster: worth it for hours of simulation.
RTL_OPTIMIZE ?= -O1
RTL_TIMING ?=
RTL_OUT := $(BUILD)/rtl$(if $(RTL_TIMING),-$(RTL_TIMING))
RTL_TIMING_WORDS := $(subst -rtr, ,$(RTL_TIMING))
RTL_TIMING_FLAGS := $(if $(RTL_TIMING),'-DDUPLEX_DRAM_PRESET="dram_$(word 1,$(RTL_TIMING_WORDS)).vh"' -DDUPLEX_RANK_SWITCH=$(word 2,$(RTL_TIMING_WORDS)))
RTL_HARNESS := backend/rtl
RTL_RUNTIME_DIR = $(eval RTL_RUNTIME_DIR := $(shell $(VERILATOR) --getenv VERILATOR_ROOT 2>/dev/null)/include)$(RTL_RUNTIME_DIR)
RTL_MODEL_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard cmodel/hbm/*.c cmodel/common/*.c))
# SANITIZE is for the harness and the C model: Verilator's own code and what it writes are not ours to check.
RTL_CFLAGS = -fPIC -fvisibility=hidden $(if $(findstring clang,$(CXX)),,-fno-gnu-unique)
RTL_VERILATE = $(VERILATOR) --cc $(VERILATOR_FLAGS) $(VERILATOR_ASSERT) $(RTL_TIMING_FLAGS) -Wno-fatal -Wno-UNOPTFLAT --output-split 20000 -CFLAGS "$(RTL_CFLAGS)"

# Content decides (mk/content.mk). What is Verilated has a record of its sources and tools; a library stack_<N>.so, besides, of harness,
# C model and flags. It also holds the hash of all its sources, as does duplex_rtl_open, which refuses one of other sources where it
# cannot build.
RTL_SOURCES := $(sort $(wildcard rtl/*/*.v rtl/*/*.vh backend/rtl/*.vlt $(if $(POINT_INCDIR),$(POINT_INCDIR)/*.vh) params/generated/*.vh))
RTL_HASH := $(call hash_of,$(RTL_SOURCES))
STACK_SOURCES := $(sort $(wildcard $(RTL_HARNESS)/*.cpp $(RTL_HARNESS)/*.h $(RTL_HARNESS)/*.map cmodel/hbm/*.[ch] cmodel/common/*.[ch] cmodel/*.h include/duplex/*.h \
  $(POINT)/include/duplex/*.h))
STACK_HASH := $(RTL_HASH)-$(call hash_of,$(STACK_SOURCES))
# A program that asks for a stack says of which sources it needs to be: it would refuse any other one after minutes of building.
EXPECTED_STACK_HASH ?=
ifneq ($(EXPECTED_STACK_HASH),)
ifneq ($(EXPECTED_STACK_HASH),$(STACK_HASH))
$(error the sources are not those of this program: run make, which brings the program up to date)
endif
endif
RTL_TOOLS = $(eval RTL_TOOLS := $(shell $(VERILATOR) --version 2>/dev/null))$(RTL_TOOLS)
RTL_MADE_OF = $(strip $(RTL_HASH) $(RTL_TOOLS) $(CXX) $(RTL_OPTIMIZE) $(RTL_VERILATE))
STACK_MADE_OF = $(strip $(STACK_HASH) $(RTL_MADE_OF) $(RTL_MODEL_FLAGS))
RTL_MODEL_FLAGS = $(CC) $(CFLAGS) $(SANITIZE)

LIB_SRC += $(RTL_HARNESS)/loader.c $(RTL_HARNESS)/builder.c
$(call remember,$(BUILD)/stack.hash,$(STACK_HASH))
$(BUILD)/obj/$(RTL_HARNESS)/loader.o $(BUILD)/obj/$(RTL_HARNESS)/builder.o: $(BUILD)/stack.hash
OBJ_CFLAGS_loader += -DDUPLEX_STACK_HASH='"$(STACK_HASH)"'
OBJ_CFLAGS_builder += -DDUPLEX_STACK_HASH='"$(STACK_HASH)"'

.PHONY: rtl
rtl: $(foreach n,$(RTL_VARIANTS),$(RTL_OUT)/stack_$(n).so) ## Verilate and compile the stack: RTL_VARIANTS="2 4 32"

# Where duplex_rtl_open finds the sources of the libraries beside it: the source folder, from the build folder if that lies in it;
# the build folder as make knows it; and the variables of make that this build has.
define RTL_SOURCE_TEXT
$(shell realpath --relative-base=. --relative-to=$(BUILD) .)
$(BUILD)
endef
blank := $(subst x,,x x)
$(if $(DRY),,$(shell scripts/place_verilated.sh $(RTL_OUT) $(BUILD)/verilator$(if $(WAVES),-waves)))
RTL_VARIABLES := CC CXX CPPFLAGS CFLAGS LDFLAGS SANITIZE VERILATOR RTL_OPTIMIZE
RTL_VARIABLE_LINES = $(subst $(blank)$(newline),$(newline),$(foreach v,$(RTL_VARIABLES),$(newline)$(v)=$(strip $($(v)))))
$(call remember,$(RTL_OUT)/source,$(RTL_SOURCE_TEXT)$(RTL_VARIABLE_LINES))

# Each is built by one builder at a time, here and by duplex_rtl_open (scripts/build_once.sh). Without Verilator nothing is begun, so that
# what is there stays.
verilated_once = $(if $(RTL_TOOLS),$(made_once),$(error $(VERILATOR) does not run: it is needed for $@))
RTL_CHANNEL := $(RTL_OUT)/channel
RTL_CHANNEL_COMMAND = rm -rf $(RTL_CHANNEL) && mkdir -p $(RTL_CHANNEL) && \
  $(RTL_VERILATE) --lib-create channel $(RTL_SEARCH) --top-module channel --Mdir $(RTL_CHANNEL) $(call rtl_of,channel) && \
  $(call compile_verilated,$(RTL_CHANNEL),Vchannel,libchannel.a,$(RTL_OPTIMIZE))
$(RTL_CHANNEL)/libchannel.a: $$(call unless_made_of,$(RTL_CHANNEL)/record,$$(RTL_MADE_OF))
	$(call say,VERILATE,channel)
	$(Q)$(call verilated_once,$(@D)/record,$(RTL_MADE_OF),$(RTL_CHANNEL_COMMAND))

# The stack without the inside of its channels. -y finds channel.sv, the wrapper, before channel.v is looked for.
RTL_TOP_COMMAND = rm -rf $(@D) && mkdir -p $(@D) && \
  $(RTL_VERILATE) $(RTL_SEARCH) --top-module stack -GCHANNELS=$* --Mdir $(@D) $(RTL_CHANNEL)/channel.sv $(call rtl_of,stack) && \
  $(call compile_verilated,$(@D),Vstack,Vstack__ALL.a,$(RTL_OPTIMIZE))
$(RTL_OUT)/top_%/Vstack__ALL.a: $$(call unless_made_of,$$(@D)/record,$$(RTL_MADE_OF)) | $(RTL_CHANNEL)/libchannel.a
	$(call say,VERILATE,stack of $* channels)
	$(Q)$(call verilated_once,$(@D)/record,$(RTL_MADE_OF),$(RTL_TOP_COMMAND))

# Twice as much to compile as without waves, so it is not optimised: it is for looking at a window of clocks.
RTL_TRACE_COMMAND = rm -rf $(@D) && mkdir -p $(@D) && \
  $(RTL_VERILATE) --trace-fst --trace-max-width 4096 --trace-max-array 64 $(RTL_SEARCH) --top-module stack -GCHANNELS=$* --Mdir $(@D) \
  $(RTL_HARNESS)/trace.vlt $(call rtl_of,stack) && \
  $(call compile_verilated,$(@D),Vstack,Vstack__ALL.a,-O0)
$(RTL_OUT)/trace_%/Vstack__ALL.a: $$(call unless_made_of,$$(@D)/record,$$(RTL_MADE_OF))
	$(call say,VERILATE,stack of $* channels with waves)
	$(Q)$(call verilated_once,$(@D)/record,$(RTL_MADE_OF),$(RTL_TRACE_COMMAND))

# Verilator's own run-time library, once for all variants.
RTL_RUNTIME_COMMAND = $(CXX) -std=c++17 -O2 $(RTL_CFLAGS) -w -DVM_TRACE=1 -DVM_TRACE_FST=1 -DVM_COVERAGE=0 -DVM_SC=0 -I$(RTL_RUNTIME_DIR) \
  -I$(RTL_RUNTIME_DIR)/vltstd -c $(RTL_RUNTIME_DIR)/$*.cpp -o $@.new && mv $@.new $@
RTL_RUNTIME_MADE_OF = $(RTL_TOOLS) $(CXX) $(RTL_CFLAGS) $(RTL_RUNTIME_DIR)
$(RTL_OUT)/runtime/%.o: $$(call unless_made_of,$$@.record,$$(RTL_RUNTIME_MADE_OF))
	$(call say,CXX,$*.cpp)
	$(Q)$(call verilated_once,$@.record,$(RTL_RUNTIME_MADE_OF),$(RTL_RUNTIME_COMMAND))
RTL_RUNTIME := $(addprefix $(RTL_OUT)/runtime/,verilated.o verilated_dpi.o verilated_threads.o)

# $(call rtl_library,folder of Vstack__ALL.a,trace 0 or 1,other inputs): harness and model become one library that exports few names.
rtl_library = $(CXX) -std=c++17 $(WARN) $(INCLUDES) -O2 -g $(RTL_CFLAGS) $(SANITIZE) -DVM_TRACE=$(2) -DVM_TRACE_FST=$(2) -DRTL_TRACE=$(2) \
  -DDUPLEX_STACK_HASH='"$(STACK_HASH)"' -isystem $(RTL_RUNTIME_DIR) -isystem $(RTL_RUNTIME_DIR)/vltstd -isystem $(1) \
  -shared -Wl,-Bsymbolic -Wl,--version-script=$(RTL_HARNESS)/exports.map \
  $(RTL_HARNESS)/harness.cpp $(RTL_MODEL_OBJ) $(RTL_RUNTIME) $(1)/Vstack__ALL.a $(3) -lz -pthread -latomic -o $@.new && mv $@.new $@
STACK_NEEDS = $(RTL_RUNTIME) $$(RTL_MODEL_OBJ)

$(RTL_OUT)/stack_%_trace.so: $$(call unless_made_of,$$@.record,$$(STACK_MADE_OF)) | $(RTL_OUT)/trace_%/Vstack__ALL.a $(STACK_NEEDS)
	$(call say,LD,$@)
	$(Q)$(call verilated_once,$@.record,$(STACK_MADE_OF),$(call rtl_library,$(RTL_OUT)/trace_$*,1,))

$(RTL_OUT)/stack_%.so: $$(call unless_made_of,$$@.record,$$(STACK_MADE_OF)) | $(RTL_OUT)/top_%/Vstack__ALL.a $(STACK_NEEDS) $(RTL_CHANNEL)/libchannel.a
	$(call say,LD,$@)
	$(Q)$(call verilated_once,$@.record,$(STACK_MADE_OF),$(call rtl_library,$(RTL_OUT)/top_$*,0,$(RTL_CHANNEL)/libchannel.a))
.SECONDARY: $(RTL_RUNTIME)
.PRECIOUS: $(RTL_OUT)/top_%/Vstack__ALL.a $(RTL_OUT)/trace_%/Vstack__ALL.a $(RTL_OUT)/runtime/%.o
