$(BUILD)/measure_firmware: testbench/controller/measure_firmware.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< $(LIB) -o $@ -lunicorn $(LDLIBS)

TEST_PREREQUISITES += $(BUILD)/measure_firmware
