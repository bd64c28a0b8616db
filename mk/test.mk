# SPDX-License-Identifier: Apache-2.0
# Installation of what is missing, tests, lint, doctor.
.PHONY: test plan regress test-build lint doctor

test: ## install what is missing, build, run all tests (see docs/testing.md for the time)
	@scripts/dependencies.sh build rtl test
	@TIMEFORMAT='build took %0R s, %0U s + %0S s of processor'; time $(MAKE) --no-print-directory -j$(JOBS) test-build
	@scripts/run_tests.sh $(BUILD) test $(GROUPS)

plan: ## the plan of tests: TIER=test|regress GROUPS='unit bench'
	@scripts/run_tests.sh --list $(or $(TIER),test) $(GROUPS)

regress: ## long random and full-size runs: JOBS=n, DUPLEX_SEED=s, RESUME=1, JUnit XML in the build folder
	@scripts/dependencies.sh build rtl test
	@$(MAKE) --no-print-directory -j$(JOBS) test-build
	@DUPLEX_CASES=$${DUPLEX_CASES:-10} JOBS=$(JOBS) scripts/run_tests.sh $(BUILD) regress $(GROUPS)

JOBS ?= 2
# What takes longest to build comes first, so that no core waits at the end.
test-build: $(BUILD)/rtl/channel/libchannel.a $(BENCH_OUT)/gemm/gemm_bench $(BUILD)/duplex $(UNIT_TESTS) $(BENCHES) $(TEST_PREREQUISITES) $(SHARED) $(ONE)

doctor: ## what is installed and missing, of all groups; fails only if plain make lacks something
	@scripts/dependencies.sh --doctor

# Unit tests without the RTL and the command's bad input, under ASan and UBSan.
.PHONY: sanitize sanitize-run
SANITIZED := $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell grep -L -e '"rtl"' -e rtl_open -e controller_case.h tests/*/test_*.c))
sanitize: ## unit tests and bad input under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" sanitize-run

sanitize-run: $(BUILD)/duplex $(BUILD)/timing_judge $(BUILD)/firmware.elf $(SANITIZED)
	@set -e; for program in $(SANITIZED); do echo "$$program"; "$$program" > $(BUILD)/sanitize.log 2>&1 || { tail -n 30 $(BUILD)/sanitize.log; exit 1; }; done
	@tests/cli/bad_input.sh $(BUILD) | tail -n 1

lint: ## formats, lint of the RTL with three tools, layers
	@scripts/lint.sh $(BUILD)

.PHONY: faults
faults: ## plant the faults of tests/faults/faults.txt one by one: each must be found
	@scripts/dependencies.sh build rtl test
	@tests/faults/run.sh $(BUILD)
