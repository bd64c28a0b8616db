// SPDX-License-Identifier: Apache-2.0
// The kernels of this firmware. A new one joins by one entry. A message's is looked for in this order, and
// what a token waits for most stands first.
#include <stddef.h>

#include "firmware/protocol.h"

extern const struct kernel gemm_kernel, expert_kernel, attention_kernel;
extern const struct kernel layer_kernel, layer_experts_kernel, layer_run_kernel, layer_times_kernel;
#ifdef FIRMWARE_USER_KERNEL
extern const struct kernel user_kernel;
#endif

const struct kernel *const firmware_kernels[] = {
    &attention_kernel,
    &layer_run_kernel,
    &expert_kernel,
    &gemm_kernel,
    &layer_kernel,
    &layer_experts_kernel,
    &layer_times_kernel,
#ifdef FIRMWARE_USER_KERNEL
    &user_kernel,
#endif
    NULL,
};
