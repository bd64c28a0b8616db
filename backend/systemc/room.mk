# SPDX-License-Identifier: Apache-2.0
# SystemC: modules of the stack for a virtual platform. Every .cpp here goes into libduplex-systemc.so; those of platform/ become the
# program BUILD/systemc/platform. Tests are tests/systemc/NAME.cpp -> BUILD/tests/systemc/NAME.
# Debian's libsystemc links with C++17 only. What all files include is compiled once (precompiled.h), with the flags of the files.
SYSTEMC := $(BUILD)/systemc
SYSTEMC_OPTIMIZE ?= -O1
SYSTEMC_CXXFLAGS = -std=c++17 $(WARN) $(INCLUDES) -fPIC -pthread -MMD -MP $(CPPFLAGS) \
  $(SYSTEMC_OPTIMIZE) $(SANITIZE) $(EXACT)
SYSTEMC_SRC := $(wildcard backend/systemc/*.cpp)
SYSTEMC_PLATFORM := $(wildcard backend/systemc/platform/*.cpp)
SYSTEMC_OBJ = $(SYSTEMC_SRC:backend/systemc/%.cpp=$(SYSTEMC)/obj/%.o)
SYSTEMC_SONAME := libduplex-systemc.so.$(firstword $(subst ., ,$(file <VERSION)))
SYSTEMC_LIB := $(BUILD)/libduplex-systemc.so
SYSTEMC_TESTS := $(patsubst tests/%.cpp,$(BUILD)/tests/%,$(wildcard tests/systemc/*.cpp))
# Only the file itself is new when a header of the precompiled ones is: SystemC comes as a package.
SYSTEMC_PCH = $(SYSTEMC)/precompiled.h.gch
systemc_compile = $(CXX) $(SYSTEMC_CXXFLAGS) -include $(SYSTEMC)/precompiled.h -Winvalid-pch

$(call remember,$(BUILD)/systemc.flags,$(filter-out -Werror,$(CXX) $(SYSTEMC_CXXFLAGS)))

.PHONY: systemc
systemc: ## SystemC: library, platform (installs what is missing)
	@scripts/dependencies.sh build rtl systemc
	@$(MAKE) --no-print-directory systemc-build
.PHONY: systemc-build
systemc-build: $(SYSTEMC_LIB) $(SYSTEMC)/platform $(BUILD)/firmware.elf $(BUILD)/controller.so

$(SYSTEMC_PCH): backend/systemc/precompiled.h $(BUILD)/systemc.flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)cp $< $(SYSTEMC)/precompiled.h && $(CXX) $(SYSTEMC_CXXFLAGS) -MF $(SYSTEMC)/precompiled.d -x c++-header $(SYSTEMC)/precompiled.h -o $@

$(SYSTEMC)/obj/%.o: backend/systemc/%.cpp $(SYSTEMC_PCH)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(systemc_compile) -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(BUILD)/$(SYSTEMC_SONAME): $$(SYSTEMC_OBJ) $(BUILD)/$$(SONAME)
	$(call say,LD,$@)
	$(Q)$(CXX) $(LDFLAGS) $(SANITIZE) -shared -Wl,-soname,$(SYSTEMC_SONAME) $(SYSTEMC_OBJ) -o $@ $(BUILD)/$(SONAME) -lsystemc -Wl,-rpath,'$$ORIGIN'

$(SYSTEMC_LIB): $(BUILD)/$$(SYSTEMC_SONAME)
	@ln -sf $(SYSTEMC_SONAME) $@

systemc_link = $(CXX) $(LDFLAGS) $(SANITIZE) -pthread $(filter %.o,$^) -o $@ \
  $(BUILD)/$(SYSTEMC_SONAME) $(BUILD)/$(SONAME) -lsystemc -Wl,-rpath,'$$ORIGIN/..' -Wl,-rpath,'$$ORIGIN/../..'
$(SYSTEMC)/platform: $(SYSTEMC_PLATFORM:backend/systemc/%.cpp=$(SYSTEMC)/obj/%.o) $(SYSTEMC_LIB) $$(SHARED)
	$(call say,LD,$@)
	$(Q)$(systemc_link)

$(BUILD)/obj/tests/systemc/%.o: tests/systemc/%.cpp $(SYSTEMC_PCH)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(systemc_compile) -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(SYSTEMC_TESTS): $(BUILD)/tests/systemc/%: $(BUILD)/obj/tests/systemc/%.o $(SYSTEMC_LIB) $$(SHARED)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(systemc_link)

$(BUILD)/tests/systemc/random_jobs: $(BUILD)/obj/tests/systemc/job.o

TEST_NEEDS_systemc += $(SYSTEMC_TESTS) $(SYSTEMC_LIB) $(SYSTEMC)/platform \
  $(RTL_OUT)/stack_2.so $(BUILD)/firmware.elf $(BUILD)/controller.so $(BUILD)/duplex $(ONE)

# The same under the address and undefined-behaviour sanitizers, beside the Verilated stack of the plain build. Unicorn, which leaks,
# stays outside. The search for leaks reads stacks of SystemC's threads that are not mapped any more, and falls over them.
.PHONY: systemc-sanitize systemc-sanitize-run
systemc-sanitize: $(RTL_OUT)/stack_2.so ## SystemC modules under the address and undefined-behaviour sanitizers
	@DUPLEX_RTL_DIR=$(abspath $(RTL_OUT)) $(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS="-O1 -g1" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" systemc-sanitize-run

# test_memory_limits ends its programs inside SystemC's threads, by signals and exceptions; the address sanitizer does not know these
# stacks, says that false reports may follow (its issue 189), and gives them.
SYSTEMC_RUNS := $(filter-out %/test_memory_limits,$(filter $(BUILD)/tests/systemc/test_%,$(SYSTEMC_TESTS)))
systemc-sanitize-run: $(SYSTEMC_RUNS)
	@set -e; for program in $(SYSTEMC_RUNS); do echo "$$program"; \
	  ASAN_OPTIONS=detect_leaks=0 "$$program" > $(BUILD)/sanitize.log 2>&1 || { tail -n 30 $(BUILD)/sanitize.log; exit 1; }; done

-include $(wildcard $(SYSTEMC)/obj/*.d $(SYSTEMC)/obj/*/*.d)
