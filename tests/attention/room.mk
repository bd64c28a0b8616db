$(BUILD)/tests/attention/quality: tests/attention/quality.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -lmpfr -lgmp $(LDLIBS)

TEST_PREREQUISITES += $(BUILD)/tests/attention/quality
