# SPDX-License-Identifier: Apache-2.0
# Checks by packages of PyPI, in a virtual environment of the build folder.
.PHONY: test-pypi
test-pypi: $(BUILD)/tests/model/tokens ## FuseSoC, slang and cocotb on the RTL, tokenizers on model files (skipped without a package index)
	@scripts/dependencies.sh pypi
	@tests/pypi/run.sh $(BUILD)
