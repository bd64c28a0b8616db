# SPDX-License-Identifier: Apache-2.0
# Fuzzing of the parsers (protocol, descriptors, firmware files): libFuzzer with clang and its sanitizers, and a replay program of
# the same code with the project's own compiler.
FUZZ_SRC := tests/fuzz/protocol_fuzz.c $(wildcard firmware/protocol/*.c firmware/kernels/*.c) $(FIRMWARE_SCHEDULE_SRC) schedule/formula.c schedule/place.c cmodel/control/descriptor_check.c backend/rv32/image.c
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(INCLUDES) -g -O1 $(EXACT)
CLANG ?= clang

$(BUILD)/tests/fuzz/protocol_fuzz: $(FUZZ_SRC) $(wildcard firmware/*.h)
	@mkdir -p $(@D)
	$(call say,CLANG,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(FUZZ_SRC) -o $@

# For speed: the checks of the harness only.
$(BUILD)/tests/fuzz/protocol_fuzz_fast: $(FUZZ_SRC) $(wildcard firmware/*.h)
	@mkdir -p $(@D)
	$(call say,CLANG,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -O2 -fsanitize=fuzzer $(FUZZ_SRC) -o $@

$(BUILD)/tests/fuzz/protocol_replay: $(FUZZ_SRC) $(wildcard firmware/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FUZZ_CFLAGS) -DREPLAY --coverage -fprofile-abs-path $(FUZZ_SRC) -o $@ -dumpdir $(BUILD)/tests/fuzz/

.PHONY: fuzz
fuzz: $(BUILD)/tests/fuzz/protocol_fuzz_fast $(BUILD)/tests/fuzz/protocol_fuzz $(BUILD)/tests/fuzz/protocol_replay ## fuzz the parsers: FUZZ_RUNS=n
	@tests/fuzz/run.sh $(BUILD) $(or $(FUZZ_RUNS),1000000)

TEST_NEEDS_fuzz += $(BUILD)/tests/fuzz/protocol_replay
