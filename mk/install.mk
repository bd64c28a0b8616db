# SPDX-License-Identifier: Apache-2.0
# make install: command with man pages and completion for bash, shared and static library with pkg-config file, headers, Python module, and what is built of
# the Verilated stacks and the RV32 firmware. Everything goes below $(DESTDIR)$(PREFIX); make uninstall takes the same files away.
.PHONY: install uninstall
PREFIX ?= /usr/local
# Debian looks for modules of the distribution in dist-packages; a private prefix goes into PYTHONPATH.
PYTHON_DIR ?= $(PREFIX)/lib/python3/dist-packages
# Of the files of lib/duplex, those that this build has.
INSTALLED_PARTS = $(wildcard $(BUILD)/rtl/stack_*.so $(BUILD)/controller.so $(BUILD)/firmware.elf)

# The commands of duplex, each with a man page.
WORDS = $(shell $(BUILD)/duplex help --words)

# A path as one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
below = $(call quoted,$(DESTDIR)$(PREFIX)/$(1))

install: all $(SHARED) $(ONE) ## install command, libraries, headers, man pages, completion, Python module below PREFIX (/usr/local)
	@install -d $(call below,bin) $(call below,lib/pkgconfig) $(call below,lib/duplex) $(call below,include/duplex) \
	  $(call below,share/man/man1) $(call below,share/bash-completion/completions) $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
	@install $(BUILD)/duplex $(call below,bin/duplex)
	@install -m 644 $(BUILD)/$(SONAME) $(call below,lib/$(SONAME))
	@ln -sf $(SONAME) $(call below,lib/libduplex.so)
	@install -m 644 $(ONE) $(call below,lib/libduplex.a)
	@scripts/pkg_config.sh $(call quoted,$(PREFIX)) $(VERSION) > $(call below,lib/pkgconfig/duplex.pc)
	@install -m 644 include/duplex/*.h $(call below,include/duplex)
	@$(BUILD)/duplex help --man > $(call below,share/man/man1/duplex.1)
	@for word in $(WORDS); do $(BUILD)/duplex help --man "$$word" > $(call below,share/man/man1)/"duplex-$$word.1" || exit 1; done
	@$(BUILD)/duplex help --bash > $(call below,share/bash-completion/completions/duplex)
	@install -m 644 python/duplex/*.py $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
	@for part in $(INSTALLED_PARTS); do install "$$part" $(call below,lib/duplex); done
	@echo "installed below" $(call quoted,$(DESTDIR)$(PREFIX))

uninstall: ## take away what make install put below PREFIX
	@rm -f $(call below,bin/duplex) $(call below,lib/$(SONAME)) $(call below,lib/libduplex.so) $(call below,lib/libduplex.a) \
	  $(call below,lib/pkgconfig/duplex.pc) $(call below,share/man/man1/duplex.1) $(call below,share/bash-completion/completions/duplex)
	@rm -f $(call below,share/man/man1)/duplex-*.1
	@rm -rf $(call below,lib/duplex) $(call below,include/duplex) $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
