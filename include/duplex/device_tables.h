// SPDX-License-Identifier: Apache-2.0
// Tables of time of a device: what an expert takes Logic-PIM and the xPU, for each number of tokens and each
// cut (docs/schedule.md), and what jobs, hand-overs and the transfers of tokens and sums take besides. By
// them a device decides who runs what. It measures the table of a layer on the C model when the first one of
// its form is loaded, as far as its policy needs it, which takes seconds to a minute of the host; or it gets
// it from a file.
//
// Tables of layers whose h is gathered (DUPLEX_PARTIALS_GATHERED) are measured each time; files have those of
// partial sums.
//
// A file names what it came from: the form of the layer, stacks and channels, and an *origin*, a number that
// differs for another DRAM preset, rank switch, activation rule, firmware, model of the clocks or xPU.
//
// Functions return 0 or a negative code of duplex/error.h, with a text in duplex_device_last_error. The
// device can be used on after an error.
#ifndef DUPLEX_DEVICE_TABLES_H
#define DUPLEX_DEVICE_TABLES_H

#include "duplex/device.h"

#ifdef __cplusplus
extern "C" {
#endif

// What of a layer its times depend on.
struct duplex_moe_form {
  struct duplex_moe_shape shape;
  bool gated;
  bool up_exponents;    // rows of gate or up have exponents
  bool down_exponents;  // rows of down have; costs nothing with DUPLEX_PARTIALS_ACC
};

// The form of a layer with these weights; only whether pointers are NULL counts.
struct duplex_moe_form duplex_moe_form(const struct duplex_moe_shape *shape,
                                       const struct duplex_moe_weights *weights);

// Measures the table of such layers as far as the policy of the device needs it, unless it is there. Errors:
// ARGUMENT (a shape out of range, or an expert that takes too long for a table of time), OUT_OF_SPACE (there
// is no room for such a layer: nothing is measured), NO_MEMORY, those of the xPU.
int duplex_device_measure_table(struct duplex_device *device, const struct duplex_moe_form *form);

// Writes it, the rest measured if need be, as a whole or not at all; a name as /dev/fd/N means that
// descriptor. Errors: those above, and IO.
int duplex_device_save_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path);

// The table of such layers is that of the file from now on. Errors, after which the device has what it had:
// ARGUMENT (a shape out of range), IO (not to be read), FORMAT (damaged, of another version, form, number of
// stacks or channels, placement, or origin: the text names the file and which), NO_MEMORY, those of the xPU.
int duplex_device_load_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path);

#ifdef __cplusplus
}
#endif
#endif
