# SPDX-License-Identifier: Apache-2.0
# make docs: the reference as HTML in BUILD/docs/html.
.PHONY: docs
docs: ## reference of headers and pages as HTML: build/docs/html/index.html
	@scripts/dependencies.sh docs
	@mkdir -p $(BUILD)/docs
	@DUPLEX_DOCS=$(BUILD)/docs doxygen docs/Doxyfile
	@! grep . $(BUILD)/docs/warnings.txt
	@! grep -n '^@section' $(BUILD)/docs/html/*.html # a heading that is shown as text
	@echo $(BUILD)/docs/html/index.html
