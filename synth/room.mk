# SPDX-License-Identifier: Apache-2.0
# Area, timing and power of the RTL with Yosys and OpenSTA (docs/synthesis.md).
.PHONY: synth synth-run
TOP ?= stack
FLOW ?= adders
SYNTH_OPTIONS = --top $(TOP) --flow $(FLOW) --out $(BUILD)/synth $(addprefix --set ,$(SET)) \
  $(if $(PARAMS),--params $(PARAMS)) $(if $(LIBERTY),--liberty $(LIBERTY)) \
  $(if $(MACROS),--macros $(MACROS)) $(if $(DRIVER),--driver $(DRIVER)) $(if $(LOAD),--load $(LOAD)) $(if $(TARGET_PS),--target $(TARGET_PS))

synth: ## area and timing by unit: TOP=module SET='NAME=VALUE' PARAMS=file LIBERTY=file FLOW=plain|buffered|adders MACROS=file
	@scripts/dependencies.sh synth
	@$(MAKE) --no-print-directory synth-run

synth-run:
	@synth/synth.py $(SYNTH_OPTIONS)

.PHONY: synth-check synth-record synth-gates synth-power
SYNTH_LIBRARY = $(if $(LIBERTY),--liberty $(LIBERTY)) --out $(BUILD)/synth

synth-check: ## areas and paths against the recorded ones: osu018 small units, with LIBERTY the whole stack
	@scripts/dependencies.sh synth
	@synth/check.py $(SYNTH_LIBRARY)

synth-record: ## record areas and paths anew
	@synth/check.py --record $(SYNTH_LIBRARY)

synth-gates: $(LIB) ## mapped net lists of the arithmetic units against their RTL; small units proven equivalent
	@scripts/dependencies.sh synth rtl test
	@DUPLEX_LIBRARY=$(LIB) synth/gates.py $(SYNTH_LIBRARY)
	@synth/equivalence.py $(SYNTH_LIBRARY)

synth-power: $(BUILD)/duplex $(BUILD)/fst_values ## switching energy a MAC and unit, of a Verilated run: X=tokens.npy W=weights.npy
	@scripts/dependencies.sh synth rtl
	@synth/power.py --build $(BUILD) $(if $(X),--x $(X) --w $(W)) $(SYNTH_LIBRARY)
