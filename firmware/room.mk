LIB_SRC += $(wildcard firmware/kernels/*.c firmware/protocol/*.c)
