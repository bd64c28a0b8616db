# SPDX-License-Identifier: Apache-2.0
# Speed of a pin-level stack in SystemC: the RTL by `verilator --cc` in a module of the project's own, and by `verilator --sc`.
.PHONY: systemc-speed
SYSTEMC_SPEED := $(BUILD)/systemc/speed
systemc-speed: $(SYSTEMC_SPEED)/cc $(SYSTEMC_SPEED)/sc ## clocks per second of a pin-level stack in SystemC, by two ways to Verilate it
	@echo 'verilator --cc: ' "$$($(SYSTEMC_SPEED)/cc 2>/dev/null | grep clocks)"
	@echo 'verilator --sc: ' "$$($(SYSTEMC_SPEED)/sc 2>/dev/null | grep clocks)"

# The channels of both are the same library.
SYSTEMC_SPEED_SC := $(SYSTEMC_SPEED)/top
$(SYSTEMC_SPEED_SC)/Vstack_narrow__ALL.a: testbench/speed/systemc/stack_narrow.sv $(RTL_OUT)/channel/libchannel.a
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,VERILATE,stack of 2 channels as a SystemC module)
	$(Q)$(call logged,$(VERILATOR) --sc $(VERILATOR_FLAGS) $(VERILATOR_ASSERT) -Wno-fatal -Wno-UNOPTFLAT --output-split 20000 $(RTL_SEARCH) \
	  --top-module stack_narrow --Mdir $(@D) $(RTL_CHANNEL)/channel.sv $< $(call rtl_of,stack) && \
	  $(call compile_verilated,$(@D),Vstack_narrow,SYSTEMC_INCLUDE=/usr/include SYSTEMC_LIBDIR=/usr/lib Vstack_narrow__ALL.a,$(RTL_OPTIMIZE)))

systemc_speed_cxx = $(CXX) $(SYSTEMC_CXXFLAGS) -DVM_SC=1 -isystem $(RTL_RUNTIME_DIR) -isystem $(RTL_RUNTIME_DIR)/vltstd -isystem $(SYSTEMC_SPEED_SC)
$(SYSTEMC_SPEED)/cc: testbench/speed/systemc/speed.cpp $$(SYSTEMC_LIB) $(RTL_OUT)/stack_2.so
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(systemc_speed_cxx) $< -o $@ $(BUILD)/$(SYSTEMC_SONAME) $(BUILD)/$(SONAME) -lsystemc -Wl,-rpath,'$$ORIGIN/../..'

# Its class duplex::verilated_stack takes the place of the library's.
$(SYSTEMC_SPEED)/sc: testbench/speed/systemc/speed.cpp testbench/speed/systemc/stack_sc.cpp $(SYSTEMC_SPEED_SC)/Vstack_narrow__ALL.a $$(SYSTEMC_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(systemc_speed_cxx) $(filter %.cpp,$^) -o $@ $(filter %.a,$^) $(RTL_CHANNEL)/libchannel.a $(BUILD)/$(SYSTEMC_SONAME) $(BUILD)/$(SONAME) \
	  -lsystemc -latomic -Wl,-rpath,'$$ORIGIN/../..'
