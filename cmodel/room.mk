# The C model.
LIB_SRC += $(wildcard cmodel/*/*.c)
