# SPDX-License-Identifier: Apache-2.0
# Activation tables.
.PHONY: activation-tables activation-tables-check
activation-tables: ## make the built-in activation tables again
	python3 params/activation/generate.py

activation-tables-check:
	@python3 params/activation/generate.py --check
