# SPDX-License-Identifier: Apache-2.0
# make install: command with man pages and completion for bash, shared and static library with pkg-config file, headers, Python module, and what is built of
# the Verilated stacks and the RV32 firmware. Everything goes below $(DESTDIR)$(PREFIX); make uninstall takes the same files away.
.PHONY: install uninstall
PREFIX ?= /usr/local
# Debian looks for modules of the distribution in dist-packages; a private prefix goes into PYTHONPATH.
PYTHON_DIR ?= $(PREFIX)/lib/python3/dist-packages
# Of the files of lib/duplex, those that this build has.
INSTALLED_PARTS = $(wildcard $(BUILD)/rtl/stack_*.so $(BUILD)/controller.so $(BUILD)/firmware.elf)

# The SystemC library, if it is built (make systemc).
INSTALLED_SYSTEMC = $(if $(wildcard $(SYSTEMC_LIB)),lib/$(SYSTEMC_SONAME) lib/libduplex-systemc.so lib/pkgconfig/duplex-systemc.pc)

# The list of what make install has written, for make uninstall: paths without DESTDIR. What an earlier installation wrote stays in it.
MANIFEST := lib/duplex/installed
INSTALLED_NAMES = bin/duplex lib/$(SONAME) lib/libduplex.so lib/libduplex.a lib/pkgconfig/duplex.pc share/man/man1/duplex.1 \
  share/bash-completion/completions/duplex $(wildcard include/duplex/*.h) $(INSTALLED_SYSTEMC)

# The commands of duplex, each with a man page.
WORDS = $(shell $(BUILD)/duplex help --words)

below = $(call quoted,$(DESTDIR)$(PREFIX)/$(1))

install: all $(SHARED) $(ONE) $(INSTALLED_PARTS) $(if $(INSTALLED_SYSTEMC),$(SYSTEMC_LIB)) ## install command, libraries, headers, man pages, completion, Python module below PREFIX (/usr/local)
	@install -d $(call below,bin) $(call below,lib/pkgconfig) $(call below,lib/duplex) $(call below,include/duplex) \
	  $(call below,share/man/man1) $(call below,share/bash-completion/completions) $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
	@install $(BUILD)/duplex $(call below,bin/duplex)
	@install -m 644 $(BUILD)/$(SONAME) $(call below,lib/$(SONAME))
	@ln -sf $(SONAME) $(call below,lib/libduplex.so)
	@install -m 644 $(ONE) $(call below,lib/libduplex.a)
	@umask 022; scripts/pkg_config.sh $(call quoted,$(PREFIX)) $(VERSION) > $(call below,lib/pkgconfig/duplex.pc)
	@$(if $(INSTALLED_SYSTEMC),install -m 644 $(BUILD)/$(SYSTEMC_SONAME) $(call below,lib/$(SYSTEMC_SONAME)))
	@$(if $(INSTALLED_SYSTEMC),ln -sf $(SYSTEMC_SONAME) $(call below,lib/libduplex-systemc.so))
	@$(if $(INSTALLED_SYSTEMC),umask 022; scripts/pkg_config.sh $(call quoted,$(PREFIX)) $(VERSION) systemc > $(call below,lib/pkgconfig/duplex-systemc.pc))
	@install -m 644 include/duplex/*.h $(call below,include/duplex)
	@umask 022; $(BUILD)/duplex help --man > $(call below,share/man/man1/duplex.1)
	@umask 022; for word in $(WORDS); do $(BUILD)/duplex help --man "$$word" > $(call below,share/man/man1)/"duplex-$$word.1" || exit 1; done
	@umask 022; $(BUILD)/duplex help --bash > $(call below,share/bash-completion/completions/duplex)
	@install -m 644 python/duplex/*.py $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
	@for part in $(INSTALLED_PARTS); do install "$$part" $(call below,lib/duplex); done
	@umask 022; { for name in $(INSTALLED_NAMES) $(INSTALLED_PARTS:$(BUILD)/%=lib/duplex/%) $(WORDS:%=share/man/man1/duplex-%.1); do \
	  case $$name in lib/duplex/*) name=lib/duplex/$${name##*/} ;; esac; printf '%s\n' $(call quoted,$(PREFIX))"/$$name"; done; \
	  for name in $(notdir $(wildcard python/duplex/*.py)); do printf '%s\n' $(call quoted,$(PYTHON_DIR))"/duplex/$$name"; done; \
	  [ ! -f $(call below,$(MANIFEST)) ] || cat $(call below,$(MANIFEST)); } | LC_ALL=C sort -u > $(call below,$(MANIFEST).new)
	@mv $(call below,$(MANIFEST).new) $(call below,$(MANIFEST))
	@echo "installed below" $(call quoted,$(DESTDIR)$(PREFIX))

uninstall: ## take away what make install put below PREFIX, and nothing else
	@[ -f $(call below,$(MANIFEST)) ] || { echo "uninstall: "$(call below,$(MANIFEST))": no such file, expected the list that make install writes" >&2; exit 2; }
	@while IFS= read -r name; do rm -f $(call quoted,$(DESTDIR))"$$name"; done < $(call below,$(MANIFEST))
	@rm -rf $(call below,$(MANIFEST)) $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex/__pycache__)
	@rmdir --ignore-fail-on-non-empty $(call below,lib/duplex) $(call below,include/duplex) $(call quoted,$(DESTDIR)$(PYTHON_DIR)/duplex)
