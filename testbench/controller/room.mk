# The RV32 controller: a library of its own over Unicorn, which the command loads for --firmware riscv.
CONTROLLER_SRC := $(filter-out testbench/controller/loader.c,$(wildcard testbench/controller/*.c))
LIB_SRC += testbench/controller/loader.c

$(BUILD)/controller.so: $(CONTROLLER_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/cmodel/common/error.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -shared -Wl,-Bsymbolic $^ -o $@ -lunicorn

TEST_PREREQUISITES += $(BUILD)/controller.so
