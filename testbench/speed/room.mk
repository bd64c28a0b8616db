# SPDX-License-Identifier: Apache-2.0
# Speed: the fast C model beside OpenBLAS, and the Verilated GEMM module.
.PHONY: bench bench-run
OBJ_CFLAGS_gemm_bench = $(OPENBLAS_INCLUDE)
OBJ_CFLAGS_xpu_bench = $(OPENBLAS_INCLUDE)
OBJ_CFLAGS_moe_bench = $(OPENBLAS_INCLUDE)
OBJ_CFLAGS_model_bench = $(OPENBLAS_INCLUDE)
OPENBLAS_INCLUDE = -isystem /usr/include/$(shell $(CC) -print-multiarch)/openblas-pthread
$(addprefix $(BUILD)/bench/,gemm_bench xpu_bench moe_bench model_bench): LDLIBS := -lopenblas $(LDLIBS)
$(BUILD)/bench/%: $(BUILD)/obj/testbench/speed/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link_program) $(LDLIBS)

$(BUILD)/bench/gemm_speed: testbench/speed/gemm_speed.cpp $(wildcard rtl/gemm/*.v rtl/common/*.v)
	@mkdir -p $(@D)
	$(call say,VERILATE,gemm for speed)
	$(Q)MAKEFLAGS= $(VERILATOR) --cc --exe --build -j 2 $(VERILATOR_FLAGS) $(RTL_SEARCH) --top-module gemm -CFLAGS "-O3 -I$(CURDIR)/include" \
	  --Mdir $(@D)/gemm -o $(abspath $@) rtl/gemm/gemm.v $(abspath $<) > $(@D)/gemm.log 2>&1 || { cat $(@D)/gemm.log; exit 1; }

# OpenBLAS takes its oldest kernels in virtual machines that it does not know.
BLAS_CORE = $(if $(shell grep -m 1 -o avx512f /proc/cpuinfo),SkylakeX,Haswell)

bench-run: $(addprefix $(BUILD)/bench/,gemm_bench xpu_bench moe_bench model_bench gemm_speed)
	OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1 $(BUILD)/bench/gemm_bench
	OPENBLAS_CORETYPE=$(BLAS_CORE) OPENBLAS_NUM_THREADS=1 $(BUILD)/bench/xpu_bench
	OPENBLAS_CORETYPE=$(BLAS_CORE) OPENBLAS_NUM_THREADS=2 $(BUILD)/bench/moe_bench
	if $(MAKE) --no-print-directory model-smollm2; then \
	  OPENBLAS_CORETYPE=$(BLAS_CORE) OPENBLAS_NUM_THREADS=1 $(BUILD)/bench/model_bench $(SMOLLM2); \
	else echo "model_bench: skipped, no package index"; fi
	$(BUILD)/bench/gemm_speed

bench: ## speed of the C model, the xPU, an MoE layer and a trained model beside OpenBLAS, and of the Verilated GEMM module
	@scripts/dependencies.sh build rtl bench
	@$(MAKE) --no-print-directory bench-run

# Utilisation of decode attention on the cycle model, beside its targets.
.PHONY: attention-bandwidth append-ways
TEST_NEEDS_bandwidth += $(BUILD)/bench/attention_bandwidth

append-ways: $(BUILD)/bench/append_ways ## ways to append a position to the KV cache, in clocks of the xPU's DRAM commands
	@$< 18140

attention-bandwidth: $(BUILD)/bench/attention_bandwidth ## utilisation of decode attention on the cycle model, and where the rest goes
	@$<
