# SPDX-License-Identifier: Apache-2.0
# Content decides what is built again, where times cannot: values of variables, sources of a checkout that was copied, and
# what takes minutes to build.
# A path as one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
# A path that make, the shell and the tools take for the same name, before anything is made of it: no character, and no beginning of a
# part, that one of them takes for something else.
NAMED := $(shell printf %s $(call quoted,$(BUILD)) | LC_ALL=C grep -cxE '/*([A-Za-z0-9_.+@][A-Za-z0-9_.+@,=~-]*/*)+')
ifneq ($(NAMED),1)
$(error BUILD=$(BUILD): expected letters, digits and _./+@,=~- only, and no part that begins with one of ,=~-)
endif

# What only tells or deletes does not look at the build folder, and `make -n` writes nothing.
ONLY_TELLS := help clean doctor plan uninstall
DRY := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))$(if $(MAKECMDGOALS),$(if $(filter-out $(ONLY_TELLS),$(MAKECMDGOALS)),,tells))
ifeq ($(DRY),)
ifneq ($(shell scripts/content.sh $(BUILD) && echo looked),looked)
$(error $(BUILD) cannot be used, or the sources cannot be read)
endif
endif

# The text of a file without its last newline. GNU make 4.3 only takes that away while its buffer moves up in memory, so that the same
# text of more than 200 characters now and then looked like another one, and what depends on it was built again.
define newline


endef
end_of_text := <end of text>
text_of = $(subst $(end_of_text),,$(subst $(newline)$(end_of_text),,$(file <$(1))$(end_of_text)))

differ = $(subst x$(1)x,,x$(2)x)$(subst x$(2)x,,x$(1)x)
# $(call remember,file,text): a file below BUILD whose time changes when the text does. Others may read it meanwhile, so it comes whole.
# A dry run does not write it, and takes it for made.
remember = $(if $(DRY),$(eval $(1): ;),$(if $(call differ,$(call text_of,$(1)),$(2)),$(file >$(1).new,$(2))$(shell mv -f $(call quoted,$(1).new) $(call quoted,$(1)))))
# $(call unless_made_of,record,text): FORCE, as a prerequisite, unless the record of what was built holds this text.
unless_made_of = $(if $(call differ,$(call text_of,$(1)),$(2)),FORCE)
# $(call made_once,record,text,command): scripts/build_once.sh as a recipe.
made_once = scripts/build_once.sh $@ $(1) $(call quoted,$(2)) $(call quoted,$(3))
# Hash of the content of files.
hash_of = $(shell sha256sum $(1) | cut -c1-64 | sha256sum | cut -c1-16)

.PHONY: FORCE
FORCE:
