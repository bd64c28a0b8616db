# Area, timing and power of the RTL with Yosys and OpenSTA (docs/synthesis.md).
.PHONY: synth synth-run
TOP ?= stack
FLOW ?= adders
SYNTH_OPTIONS = --top $(TOP) --flow $(FLOW) --out $(BUILD)/synth $(addprefix --set ,$(SET)) $(if $(LIBERTY),--liberty $(LIBERTY)) \
  $(if $(MACROS),--macros $(MACROS)) $(if $(DRIVER),--driver $(DRIVER)) $(if $(LOAD),--load $(LOAD)) $(if $(TARGET_PS),--target $(TARGET_PS))

synth: ## area and timing by unit: TOP=module SET='NAME=VALUE' LIBERTY=file FLOW=plain|buffered|adders MACROS=file
	@scripts/dependencies.sh synth
	@$(MAKE) --no-print-directory synth-run

synth-run:
	@synth/synth.py $(SYNTH_OPTIONS)
