// SPDX-License-Identifier: Apache-2.0
// Names of the DRAM commands in their text form.
#ifndef DUPLEX_JUDGE_NAMES_H
#define DUPLEX_JUDGE_NAMES_H

#define DUPLEX_JUDGE_KINDS 7

extern const char *const duplex_judge_kind_names[DUPLEX_JUDGE_KINDS];  // by enum duplex_judge_kind

#endif
