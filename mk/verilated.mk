# SPDX-License-Identifier: Apache-2.0
# Compiles what Verilator wrote, by Verilator's own makefile. Where that is many files, their headers are read once for each level
# of optimisation instead of once a file, which takes longer than most of the files; and Verilator's run-time library, which
# backend/rtl/room.mk compiles, is left out.
# usage: make -C FOLDER -f mk/verilated.mk MODEL=Vstack FAST=-O1 SLOW=-O0 ARCHIVE
#   FAST, SLOW   optimisation of what runs every clock, and of what runs once
include $(MODEL).mk
VK_GLOBAL_OBJS =

ifneq ($(VM_PARALLEL_BUILDS),1)
OPT_FAST = $(FAST)
else
# A compiler takes FILE.h.gch for `-include FILE.h` if it was made with the same flags.
OPT_FAST = $(FAST) -include fast.h
OPT_SLOW = $(SLOW) -include slow.h
fast.h slow.h:
	echo '#include "$(MODEL)__Syms.h"' > $@
%.h.gch: %.h
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(if $(filter fast,$*),$(FAST),$(SLOW)) -x c++-header -o $@ $<
$(VK_FAST_OBJS): fast.h.gch
$(VK_SLOW_OBJS): slow.h.gch
endif
