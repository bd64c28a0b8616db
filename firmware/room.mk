# SPDX-License-Identifier: Apache-2.0
# Kernels and protocol in the library, where the firmware runs natively.
LIB_SRC += $(wildcard firmware/kernels/*.c firmware/protocol/*.c)
# What the firmware needs of the schedule: its policies and the check of a table, not what makes tables and places weights.
FIRMWARE_SCHEDULE_SRC := $(filter-out $(addprefix schedule/,alone.c bound.c charge.c copies.c formula.c parts.c phases.c place.c predict.c sample.c stages.c striped.c tables_file.c worth.c),$(wildcard schedule/*.c))

# FIRMWARE=folder: the user's kernel of that folder joins natively and on RV32. The name of the folder is remembered, so that
# another one rebuilds what depends on it.
FIRMWARE ?=
FIRMWARE_SRC := $(if $(FIRMWARE),$(wildcard $(FIRMWARE)/kernel*.c))
FIRMWARE_DEFINES := $(if $(FIRMWARE),-DFIRMWARE_USER_KERNEL)
ifneq ($(FIRMWARE),)
ifeq ($(FIRMWARE_SRC),)
$(error FIRMWARE=$(FIRMWARE): expected a folder with the kernel of a user, kernel*.c (docs/kernel_howto.md))
endif
LIB_SRC += $(FIRMWARE_SRC)
OBJ_CFLAGS_kernels += $(FIRMWARE_DEFINES)
endif
$(call remember,$(BUILD)/firmware.name,folder $(FIRMWARE))
$(BUILD)/obj/firmware/protocol/kernels.o: $(BUILD)/firmware.name
