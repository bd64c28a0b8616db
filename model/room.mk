# SPDX-License-Identifier: Apache-2.0
# Files of real models: in the build's own library, which the command and the tests link, and in no installed one.
MODEL_SRC += $(wildcard model/*.c)
