# SPDX-License-Identifier: Apache-2.0
# Generated headers and pages.
.PHONY: regen check-generated
regen: ## make the generated headers and pages again (needs PyPI's systemrdl-compiler)
	python3 params/generate.py
	python3 params/softmax/generate.py
	python3 params/generate_registers.py

check-generated:
	python3 params/generate.py --check
	python3 params/softmax/generate.py --check
	sha256sum --quiet --check params/generated/registers.sha256
