// SPDX-License-Identifier: Apache-2.0
// One channel's share of LOAD.
#ifndef DUPLEX_CMODEL_EXECUTE_LOAD_H
#define DUPLEX_CMODEL_EXECUTE_LOAD_H

#include "cmodel/execute/channel_job.h"

int load_share(struct channel_job *job);

#endif
