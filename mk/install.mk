# make install: command, library with pkg-config file, headers, man page, the Verilated stacks that are built.
.PHONY: install
PREFIX ?= /usr/local
VERSION := $(shell cat VERSION)

$(BUILD)/duplex.pc: VERSION mk/install.mk
	@mkdir -p $(@D)
	@printf 'prefix=%s\nlibdir=$${prefix}/lib\nincludedir=$${prefix}/include\n\nName: duplex\nDescription: Duplex Logic-PIM driver and C model\nVersion: %s\nLibs: -L$${libdir} -lduplex -ljansson -lm -ldl -pthread\nCflags: -I$${includedir}\n' '$(PREFIX)' '$(VERSION)' > $@

install: all $(BUILD)/duplex.pc ## install command, library, headers and man page below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/duplex $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/lib/duplex
	install $(BUILD)/duplex $(DESTDIR)$(PREFIX)/bin/duplex
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib/libduplex.a
	install -m 644 $(BUILD)/duplex.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/duplex.pc
	install -m 644 include/duplex/*.h $(DESTDIR)$(PREFIX)/include/duplex
	install -m 644 docs/duplex.1 $(DESTDIR)$(PREFIX)/share/man/man1/duplex.1
	for library in $(BUILD)/rtl/stack_*.so; do [ ! -e "$$library" ] || install "$$library" $(DESTDIR)$(PREFIX)/lib/duplex/; done
	for file in $(BUILD)/controller.so $(BUILD)/firmware.elf; do [ ! -e "$$file" ] || install "$$file" $(DESTDIR)$(PREFIX)/lib/duplex/; done
