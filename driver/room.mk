LIB_SRC += $(wildcard driver/*.c)
