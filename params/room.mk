# SPDX-License-Identifier: Apache-2.0
# Generated headers and pages.
.PHONY: regen check-generated
# The one that needs most comes first, so that nothing changes if it is not there.
regen: ## make the generated headers and pages again (PYTHON=python3, with PyPI's systemrdl-compiler)
	@$(PYTHON) -c 'import systemrdl' 2>/dev/null || \
	  { echo "regen: $(PYTHON) has no systemrdl, nothing is changed: expected systemrdl-compiler of PyPI, PYTHON=VENV/bin/python" >&2; exit 2; }
	$(PYTHON) params/generate_registers.py
	$(PYTHON) params/generate.py
	$(PYTHON) params/softmax/generate.py

check-generated:
	python3 params/generate.py --check
	python3 params/softmax/generate.py --check
	sha256sum --quiet --check params/generated/registers.sha256
