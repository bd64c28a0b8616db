# SPDX-License-Identifier: Apache-2.0
# Installation of what is missing, tests, lint, doctor.
.PHONY: test plan regress test-build lint doctor

test: ## install what is missing, build, run all tests (see docs/testing.md for the time); GROUPS='unit cli' some of them
	@scripts/dependencies.sh build rtl test systemc
	@TIMEFORMAT='build took %0R s, %0U s + %0S s of processor'; time $(MAKE) --no-print-directory -j$(JOBS) test-build
	@scripts/run_tests.sh $(BUILD) test $(GROUPS)

plan: ## the plan of tests: TIER=test|regress GROUPS='unit bench'
	@scripts/run_tests.sh --list $(TIER) $(GROUPS)

regress: ## long random and full-size runs: JOBS=n, DUPLEX_SEED=s, RESUME=1, JUnit XML in the build folder
	@scripts/dependencies.sh build rtl test systemc
	@$(MAKE) --no-print-directory -j$(JOBS) test-build TIER=regress
	@DUPLEX_CASES=$${DUPLEX_CASES:-10} JOBS=$(JOBS) scripts/run_tests.sh $(BUILD) regress $(GROUPS)

JOBS ?= 2
# What each group of tests needs, besides what the rooms add. Tests build nothing that another test may use, so all of it is here.
GROUPS ?=
TEST_COMMAND := $(BUILD)/duplex $(BUILD)/timing_judge
TEST_RTL := $(RTL_OUT)/channel/libchannel.a rtl
# Of the numbers of channels that tests use only 1 is left to be built on demand. 5 and 32 are for `make regress`.
stacks = $(foreach name,$(1),$(RTL_OUT)/stack_$(name).so)
TIER ?= test
only_in_regress = $(if $(filter regress,$(TIER)),$(1))
TEST_RV32 := $(BUILD)/firmware.elf $(BUILD)/controller.so
TEST_NEEDS_static += $(TEST_COMMAND) $(LIB) $(SYSTEMC_LIB) $(SYSTEMC)/platform
TEST_NEEDS_unit += $(TEST_RTL) $(call stacks,1_trace) $(TEST_RV32) $(UNIT_TESTS) $(TEST_COMMAND)
TEST_NEEDS_bench += $(RTL_OUT)/channel/libchannel.a $(BENCH_OUT)/gemm/gemm_bench $(BENCHES)
TEST_NEEDS_cli += $(TEST_COMMAND) $(TEST_RTL) $(TEST_RV32) $(SHARED) $(ONE)
TEST_NEEDS_cosim += $(TEST_RTL) $(call stacks,3 $(call only_in_regress,5)) $(TEST_COMMAND)
TEST_NEEDS_firmware += $(TEST_RTL) $(TEST_RV32) $(TEST_COMMAND)
TEST_NEEDS_bandwidth += $(TEST_RTL) $(call stacks,$(call only_in_regress,32)) $(TEST_COMMAND)
TEST_NEEDS_serving += $(TEST_COMMAND)
TEST_NEEDS_fuzz += $(LIB)
TEST_NEEDS_synth += $(LIB) $(TEST_COMMAND)
# What takes longest to build comes first, so that no core waits at the end.
TEST_GROUPS := unit bench cosim cli firmware bandwidth static fuzz synth systemc serving
test-build: $(foreach group,$(or $(GROUPS),$(TEST_GROUPS)),$(TEST_NEEDS_$(group)))

doctor: ## what is installed and missing, of all groups; fails only if plain make lacks something
	@scripts/dependencies.sh --doctor

# Unit tests without the RTL and without Unicorn, which leaks, and the command's bad input, under ASan and UBSan. LEAVE: names of tests that are left out.
# SANITIZE_CC: their compiler, in a build folder of their own; CC itself would have all others build again what the command is made of.
LEAVE ?=
SANITIZE_CC ?= $(CC)
.PHONY: sanitize sanitize-run
SANITIZED := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(LEAVE:%=tests/\%/%.c),\
  $(shell grep -L -e '"rtl"' -e rtl_open -e controller_case.h -e unicorn.h tests/*/test_*.c)))
sanitize: ## unit tests and bad input under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CC="$(SANITIZE_CC)" CFLAGS="-O0 -g1" HOT_CFLAGS=-O1 SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" sanitize-run

sanitize-run: $(BUILD)/duplex $(BUILD)/timing_judge $(BUILD)/firmware.elf $(SANITIZED)
	@set -e; for program in $(SANITIZED); do echo "$$program"; "$$program" > $(BUILD)/sanitize.log 2>&1 || { tail -n 30 $(BUILD)/sanitize.log; exit 1; }; done
	$(if $(filter bad_input,$(LEAVE)),,@tests/cli/bad_input.sh $(BUILD) | tail -n 1)

lint: $(TEST_NEEDS_static) ## formats, lint of the RTL with three tools, layers of what is built
	@scripts/lint.sh $(BUILD)

.PHONY: faults
faults: ## plant the faults of tests/faults/faults.txt one by one: each must be found
	@scripts/dependencies.sh build rtl test systemc
	@tests/faults/run.sh $(BUILD)
