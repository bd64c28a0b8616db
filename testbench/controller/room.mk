LIB_SRC += testbench/controller/loader.c
