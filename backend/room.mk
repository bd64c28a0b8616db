LIB_SRC += $(wildcard backend/*.c backend/native/*.c)
