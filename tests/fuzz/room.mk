# SPDX-License-Identifier: Apache-2.0
# Fuzzing of the parsers (protocol, descriptors, firmware files; files of models; configurations and traces): libFuzzer with clang and its
# sanitizers, and a replay program of the same code built by GCC, whose gcov counts the lines that it reaches whatever compiler CC is.
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(INCLUDES) -g -O1 $(EXACT)
CLANG ?= clang
GCC ?= gcc
FUZZ_SRC_protocol := tests/fuzz/protocol_fuzz.c $(wildcard firmware/protocol/*.c firmware/kernels/*.c) $(FIRMWARE_SCHEDULE_SRC) \
  schedule/bound.c schedule/copies.c schedule/formula.c schedule/parts.c schedule/place.c schedule/sample.c \
  cmodel/common/random.c cmodel/control/descriptor_check.c backend/rv32/image.c
FUZZ_HEADERS_protocol := $(wildcard firmware/*.h)
# What reads a config.json.
FUZZ_CONFIG_FILES := $(patsubst model/%.c,%,$(wildcard model/config*.c))
FUZZ_MODEL_FILES := added bpe bytes $(FUZZ_CONFIG_FILES) error file gguf gguf_config json \
  safetensors split tensor tokenizer tokenizer_gguf tokenizer_json tokenizer_open tokenizer_steps utf8 vocabulary
FUZZ_SRC_model := tests/fuzz/model_fuzz.c $(FUZZ_MODEL_FILES:%=model/%.c) cmodel/common/text_file.c cmodel/numerics/formats.c \
  cmodel/activation/activation_table.c cmodel/activation/builtin_tables.c
FUZZ_HEADERS_model := $(wildcard model/*.h)
FUZZ_LIBS_model := -ljansson -lpcre2-8 -lutf8proc
FUZZ_SRC_serving := tests/fuzz/serving_fuzz.c $(patsubst %,serving/%.c,config_file covered hugging_face imbalance_file kernels machine model model_shapes origin \
  profile regular_file table_text trace_file) cli/sweep_plan.c \
  $(BUILD)/obj/serving/builtin_configs.c cmodel/hbm/hbm.c cmodel/hbm/judge_text.c cmodel/hbm/timing_judge.c cmodel/common/text_file.c \
  xpu/kernel_table.c xpu/kernel_file.c $(FUZZ_CONFIG_FILES:%=model/%.c) model/error.c model/json.c cmodel/numerics/formats.c \
  cmodel/activation/activation_table.c cmodel/activation/builtin_tables.c
FUZZ_HEADERS_serving := $(wildcard serving/*.h model/*.h) cli/sweep_plan.h cli/command.h
FUZZ_LIBS_serving := -ljansson -lm

# $(call fuzz_target,NAME): NAME_fuzz with sanitizers, NAME_fuzz_fast with the checks of the harness only, NAME_replay for coverage.
define fuzz_target
$$(BUILD)/tests/fuzz/$(1)_fuzz: $$(FUZZ_SRC_$(1)) $$(FUZZ_HEADERS_$(1)) tests/fuzz/require.h
	@mkdir -p $$(@D)
	$$(call say,CLANG,$$<)
	$$(Q)$$(CLANG) $$(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $$(FUZZ_SRC_$(1)) -o $$@ $$(FUZZ_LIBS_$(1))

$$(BUILD)/tests/fuzz/$(1)_fuzz_fast: $$(FUZZ_SRC_$(1)) $$(FUZZ_HEADERS_$(1)) tests/fuzz/require.h
	@mkdir -p $$(@D)
	$$(call say,CLANG,$$<)
	$$(Q)$$(CLANG) $$(FUZZ_CFLAGS) -O2 -fsanitize=fuzzer $$(FUZZ_SRC_$(1)) -o $$@ $$(FUZZ_LIBS_$(1))

$$(BUILD)/tests/fuzz/$(1)_replay: $$(FUZZ_SRC_$(1)) $$(FUZZ_HEADERS_$(1)) tests/fuzz/require.h
	@mkdir -p $$(@D)/$(1)
	$$(call say,GCC,$$<)
	$$(Q)$$(GCC) $$(FUZZ_CFLAGS) -DREPLAY --coverage -fprofile-abs-path $$(FUZZ_SRC_$(1)) -o $$@ -dumpdir $$(BUILD)/tests/fuzz/$(1)/ $$(FUZZ_LIBS_$(1))

TEST_NEEDS_fuzz += $$(BUILD)/tests/fuzz/$(1)_replay
endef
FUZZ_TARGETS := protocol model serving
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(target))))

.PHONY: fuzz
fuzz: $(foreach target,$(FUZZ_TARGETS),$(addprefix $(BUILD)/tests/fuzz/$(target)_,fuzz_fast fuzz replay)) ## fuzz the parsers: FUZZ_RUNS=n
	@for target in $(FUZZ_TARGETS); do tests/fuzz/run.sh $(BUILD) $$target $(or $(FUZZ_RUNS),1000000) || exit 1; done
