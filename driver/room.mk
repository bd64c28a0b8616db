LIB_SRC += $(wildcard driver/*.c)
CLI_SRC += $(wildcard driver/cli/*.c)
