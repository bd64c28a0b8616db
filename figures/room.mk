# SPDX-License-Identifier: Apache-2.0
# The figures of the paper's evaluation.
.PHONY: paper
paper: $(BUILD)/duplex ## every figure and table of the paper's evaluation again: build/paper/index.html
	@scripts/dependencies.sh paper
	@figures/paper.py $(BUILD) --jobs $(JOBS)
