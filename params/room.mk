.PHONY: regen
regen: ## make the generated headers again
	python3 params/generate.py
