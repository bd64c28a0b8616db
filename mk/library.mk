# SPDX-License-Identifier: Apache-2.0
# The library as programs outside link it: what begins with duplex_ is exported, everything else stays inside.
#   libduplex.so.MAJOR   shared, soname of the same name
#   libduplex_one.a      static, one object; `make install` calls it libduplex.a. The build's own libduplex.a, which tests and tools
#                        link, keeps every symbol.
VERSION := $(shell cat VERSION)
SONAME := libduplex.so.$(firstword $(subst ., ,$(VERSION)))
SHARED := $(BUILD)/libduplex.so
ONE := $(BUILD)/libduplex_one.a

$(call remember,$(BUILD)/libduplex.map,{ global: duplex_*; local: *; };)

$(BUILD)/$(SONAME): $$(LIB_OBJ) $(BUILD)/libduplex.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,-Bsymbolic \
	  $(if $(SANITIZED_BUILD),,-Wl,--no-undefined) -Wl,--version-script=$(BUILD)/libduplex.map $(LIB_OBJ) -o $@ -lm -ldl

$(SHARED): $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@

$(ONE): $$(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(LD) -r $^ -o $(BUILD)/libduplex_one.o
	$(Q)$(OBJCOPY) --remove-section='.gnu.lto_*' --wildcard --keep-global-symbol='duplex_*' $(BUILD)/libduplex_one.o
	$(Q)$(AR) rcs $@ $(BUILD)/libduplex_one.o

OBJCOPY ?= objcopy

.PHONY: library
library: $(SHARED) $(ONE) ## the shared library, and the static one as it is installed
