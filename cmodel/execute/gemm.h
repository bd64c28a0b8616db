// SPDX-License-Identifier: Apache-2.0
// One channel's share of GEMM.
#ifndef DUPLEX_CMODEL_EXECUTE_GEMM_H
#define DUPLEX_CMODEL_EXECUTE_GEMM_H

#include "cmodel/execute/channel_job.h"

int gemm_share(struct channel_job *job);

#endif
