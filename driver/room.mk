# The host library.
LIB_SRC += $(wildcard driver/*.c)
