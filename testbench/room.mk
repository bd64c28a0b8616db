# SPDX-License-Identifier: Apache-2.0
# A bench drives one RTL unit: <unit>_bench.cpp compares rtl/*/<unit>.v with its C model at the unit's boundary (docs/units.md: which
# units have one).
#   make build/verilator/gemm/gemm_bench                 one bench
#   make WAVES=1 build/verilator-waves/gemm/gemm_bench   the same with --wave FILE.fst; its compilation takes twice as long and more
# A bench runs for seconds, so its generated code is compiled with BENCH_OPTIMIZE: the largest ones not optimised at all, since they
# compile for longer than they run. Those that run for longer, as in `make regress`, would gain by more: BENCH_OPTIMIZE=-O2.
VERILATOR ?= verilator
RTL_FILES = $(shell grep -hv '^\#' rtl/files.f)
RTL_INCDIR := params/generated
# Registers without a start value get one when a model is made: zero, or random (DUPLEX_RANDOM_START, docs/testing.md).
VERILATOR_FLAGS = -Wall --Wno-fatal -Irtl/common $(POINT_INCDIR:%=-I%) -I$(RTL_INCDIR) -O3 --x-assign fast --x-initial unique
# The assertions of the RTL (docs/rtl_style.md).
VERILATOR_ASSERT = --assert -DDUPLEX_ASSERT
WAVES ?=
BENCH_OPTIMIZE ?= -O1
BENCH_OUT := $(BUILD)/verilator$(if $(WAVES),-waves)
$(BENCH_OUT)/gemm/gemm_bench $(BENCH_OUT)/dot64/dot64_bench: BENCH_OPTIMIZE := -O0
BENCHES := $(foreach b,$(wildcard testbench/*/*_bench.cpp),$(BENCH_OUT)/$(patsubst %_bench.cpp,%,$(notdir $(b)))/$(patsubst %.cpp,%,$(notdir $(b))))

# $(call rtl_of,unit): the file that holds it
rtl_of = $(wildcard rtl/*/$(1).v)
RTL_SEARCH := $(addprefix -y ,$(patsubst %/,%,$(wildcard rtl/*/)))

# Compiles what Verilator wrote: with our compiler, and without what the caller of make set for our own files.
VERILATED_MAKE = MAKEFLAGS= $(MAKE_COMMAND) -s --no-print-directory CXX=$(call quoted,$(CXX)) LINK=$(call quoted,$(CXX))
# $(call compile_verilated,folder,model,archive,optimisation): what runs every clock with that optimisation, what runs once with none.
compile_verilated = $(VERILATED_MAKE) -j2 -C $(1) -f $(call quoted,$(CURDIR)/mk/verilated.mk) MODEL=$(2) FAST="$(4)" SLOW=-O0 $(3)

# $(call verilate_bench,unit,more options): generated code and its objects, V<unit>__ALL.a, in the bench's folder.
define verilate_bench
$(VERILATOR) --cc $(if $(WAVES),--trace-fst) $(VERILATOR_FLAGS) $(VERILATOR_ASSERT) $(2) $(RTL_SEARCH) --top-module $(1) --Mdir $(@D) $(call rtl_of,$(1)) && \
  $(call compile_verilated,$(@D),V$(1),V$(1)__ALL.a,$(BENCH_OPTIMIZE))
endef
BENCH_FLAGS = -std=c++17 $(INCLUDES) -O1 -pthread -DVM_TRACE=$(if $(WAVES),1,0) -isystem $(RTL_RUNTIME_DIR) -isystem $(RTL_RUNTIME_DIR)/vltstd
# What every bench includes first is read once for all.
$(BENCH_OUT)/bench.h.gch: testbench/common/bench.h include/duplex/random.h testbench/room.mk
	@mkdir -p $(@D)
	@echo '#include "$<"' > $(@D)/bench.h
	$(call say,CXX,$<)
	$(Q)$(CXX) $(BENCH_FLAGS) -x c++-header $(@D)/bench.h -o $@

# $(call link_bench,folder of V<unit>.h,archive of the model,more options)
link_bench = $(CXX) -include $(BENCH_OUT)/bench.h $(BENCH_FLAGS) $(3) -isystem $(1) $< $(RTL_RUNTIME) $(if $(WAVES),$(RTL_RUNTIME_TRACE)) $(2) $(LIB) $(LDLIBS) -lmpfr -lgmp -lz -pthread -latomic -o $@

BENCH_COMMON := testbench/common/bench.h testbench/room.mk $(BENCH_OUT)/bench.h.gch
BENCH_NEEDS = $(RTL_RUNTIME) $(if $(WAVES),$(RTL_RUNTIME_TRACE)) $(LIB)
VERILATED_BENCHES := $(filter-out %/channel_bench,$(BENCHES)) $(if $(WAVES),$(filter %/channel_bench,$(BENCHES)))
$(VERILATED_BENCHES): $(BENCH_OUT)/%_bench: $$(wildcard testbench/*/$$(notdir $$*)_bench.cpp) $(BENCH_COMMON) $(wildcard rtl/*/*.v rtl/*/*.vh $(RTL_INCDIR)/*.vh) $$(BENCH_NEEDS)
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,$(notdir $*))
	$(Q)$(call logged,$(call verilate_bench,$(notdir $*)) && $(call link_bench,$(@D),$(@D)/V$(notdir $*)__ALL.a))

# The channel of the Verilated stack is a library; its bench drives the same objects.
ifeq ($(WAVES),)
$(BENCH_OUT)/channel/channel_bench: testbench/channel/channel_bench.cpp $(BENCH_COMMON) $$(RTL_OUT)/channel/libchannel.a $$(BENCH_NEEDS)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(call logged,$(call link_bench,$(RTL_OUT)/channel,$(RTL_OUT)/channel/libchannel.a))
endif

# Benches that compare registers inside their unit.
$(BENCH_OUT)/dot64/dot64_bench $(BENCH_OUT)/accumulator/accumulator_bench: VERILATOR_FLAGS += --public-flat-rw
$(BENCH_OUT)/dot64/dot64_bench $(BENCH_OUT)/gemm/gemm_bench: testbench/common/gemm_stimulus.h
$(foreach u,score_scale running_maximum exponential softmax_sum quotient maximum_join score_path,$(BENCH_OUT)/$(u)/$(u)_bench): testbench/common/softmax_stimulus.h
$(foreach u,score_scale running_maximum exponential softmax_sum quotient round,$(BENCH_OUT)/$(u)/$(u)_bench): testbench/common/pipeline.h
$(foreach u,attention_join attention_quotient,$(BENCH_OUT)/$(u)/$(u)_bench): testbench/common/wide_port.h
$(BENCH_OUT)/channel/channel_bench $(BENCH_OUT)/bundle_controller/bundle_controller_bench: testbench/common/dram.h

# The bundle controller with other timings: bundle_controller-VARIANT.
CONTROLLER_VARIANTS := rtr1 rtr2 hbm3_6400
CONTROLLER_RTL_rtr1 := -DDUPLEX_RANK_SWITCH=1
CONTROLLER_RTL_rtr2 := -DDUPLEX_RANK_SWITCH=2
CONTROLLER_RTL_hbm3_6400 := '-DDUPLEX_DRAM_PRESET="dram_hbm3_6400.vh"'
CONTROLLER_BENCH_rtr1 := -DBENCH_RANK_SWITCH=1
CONTROLLER_BENCH_rtr2 := -DBENCH_RANK_SWITCH=2
CONTROLLER_BENCH_hbm3_6400 := -DBENCH_PRESET=1
CONTROLLER_BENCHES := $(CONTROLLER_VARIANTS:%=$(BENCH_OUT)/bundle_controller-%/bundle_controller_bench)
TEST_NEEDS_bench += $(CONTROLLER_BENCHES)
$(CONTROLLER_BENCHES): $(BENCH_OUT)/bundle_controller-%/bundle_controller_bench: testbench/dram/bundle_controller_bench.cpp testbench/common/dram.h $(BENCH_COMMON) $(wildcard rtl/dram/*.v $(RTL_INCDIR)/*.vh) $$(BENCH_NEEDS)
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,bundle_controller-$*)
	$(Q)$(call logged,$(call verilate_bench,bundle_controller,$(CONTROLLER_RTL_$*)) && $(call link_bench,$(@D),$(@D)/Vbundle_controller__ALL.a,$(CONTROLLER_BENCH_$*)))
