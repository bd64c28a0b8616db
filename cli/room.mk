# The command.
CLI_SRC += $(wildcard cli/*.c)
