LIB_SRC += $(wildcard firmware/kernels/*.c firmware/hal/*.c firmware/port/native/*.c)
