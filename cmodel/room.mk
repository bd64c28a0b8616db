LIB_SRC += $(wildcard cmodel/*/*.c)
