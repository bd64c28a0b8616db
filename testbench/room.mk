# One bench per RTL unit: <unit>_bench.cpp drives rtl/*/<unit>.v and compares with the C unit at the unit's boundary.
VERILATOR ?= verilator
RTL_FILES = $(shell grep -hv '^\#' rtl/files.f)
RTL_INCDIR := params/generated
VERILATOR_FLAGS = -Wall --Wno-fatal -Irtl/common $(POINT_INCDIR:%=-I%) -I$(RTL_INCDIR) -O3 --x-assign fast --x-initial fast --no-assert
BENCHES := $(foreach b,$(wildcard testbench/*/*_bench.cpp),$(BUILD)/verilator/$(patsubst %_bench.cpp,%,$(notdir $(b)))/$(patsubst %.cpp,%,$(notdir $(b))))

# $(call rtl_of,unit): the file that holds it
rtl_of = $(wildcard rtl/*/$(1).v)
RTL_SEARCH := $(addprefix -y ,$(patsubst %/,%,$(wildcard rtl/*/)))

$(BENCHES): $(BUILD)/verilator/%_bench: $$(wildcard testbench/*/$$(notdir $$*)_bench.cpp) testbench/common/bench.h $(wildcard rtl/*/*.v $(RTL_INCDIR)/*.vh) $(LIB)
	@mkdir -p $(@D) && rm -f $@  # Verilator's make does not know the library
	$(VERILATOR) --cc --exe --build -j 2 --trace-fst $(VERILATOR_FLAGS) $(RTL_SEARCH) --top-module $(notdir $*) \
	  -CFLAGS "-O2 $(patsubst -I%,-I$(CURDIR)/%,$(POINT_INCLUDES)) -I$(CURDIR)/include -I$(CURDIR)" -LDFLAGS "$(abspath $(LIB)) $(LDLIBS) -lmpfr -lgmp" \
	  --Mdir $(@D) -o $(notdir $@) $(call rtl_of,$(notdir $*)) $(abspath $<) > $(@D)/build.log 2>&1 || { cat $(@D)/build.log; exit 1; }

# Benches that compare registers inside their unit.
$(BUILD)/verilator/dot64/dot64_bench $(BUILD)/verilator/accumulator/accumulator_bench: VERILATOR_FLAGS += --public-flat-rw
$(BUILD)/verilator/dot64/dot64_bench $(BUILD)/verilator/gemm/gemm_bench: testbench/common/gemm_stimulus.h
$(foreach u,score_scale running_maximum exponential softmax_sum quotient maximum_join score_path,$(BUILD)/verilator/$(u)/$(u)_bench): testbench/common/softmax_stimulus.h
$(foreach u,attention_join attention_quotient,$(BUILD)/verilator/$(u)/$(u)_bench): testbench/common/wide_port.h

# The bundle controller with other timings: bundle_controller-VARIANT.
CONTROLLER_VARIANTS := rtr1 rtr2 hbm3_6400
CONTROLLER_rtr1 := -DDUPLEX_RANK_SWITCH=1 -CFLAGS -DBENCH_RANK_SWITCH=1
CONTROLLER_rtr2 := -DDUPLEX_RANK_SWITCH=2 -CFLAGS -DBENCH_RANK_SWITCH=2
CONTROLLER_hbm3_6400 := '-DDUPLEX_DRAM_PRESET="dram_hbm3_6400.vh"' -CFLAGS -DBENCH_PRESET=1
CONTROLLER_BENCHES := $(CONTROLLER_VARIANTS:%=$(BUILD)/verilator/bundle_controller-%/bundle_controller_bench)
TEST_PREREQUISITES += $(CONTROLLER_BENCHES)
$(CONTROLLER_BENCHES): $(BUILD)/verilator/bundle_controller-%/bundle_controller_bench: testbench/dram/bundle_controller_bench.cpp testbench/common/bench.h $(wildcard rtl/dram/*.v) $(LIB)
	@mkdir -p $(@D) && rm -f $@  # Verilator's make does not know the library
	$(VERILATOR) --cc --exe --build -j 2 --trace-fst $(VERILATOR_FLAGS) $(RTL_SEARCH) --top-module bundle_controller $(CONTROLLER_$*) \
	  -CFLAGS "-O2 $(patsubst -I%,-I$(CURDIR)/%,$(POINT_INCLUDES)) -I$(CURDIR)/include -I$(CURDIR)" -LDFLAGS "$(abspath $(LIB)) $(LDLIBS) -lmpfr -lgmp" \
	  --Mdir $(@D) -o $(notdir $@) rtl/dram/bundle_controller.v $(abspath $<) > $(@D)/build.log 2>&1 || { cat $(@D)/build.log; exit 1; }
