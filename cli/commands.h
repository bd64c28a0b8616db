// SPDX-License-Identifier: Apache-2.0
// The commands of `duplex`. Each gets the arguments behind its name and returns an exit status.
#ifndef DUPLEX_CLI_COMMANDS_H
#define DUPLEX_CLI_COMMANDS_H

int command_gemm(int argc, char **argv);
int command_expert(int argc, char **argv);
int command_attention(int argc, char **argv);
int command_batch(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_random(int argc, char **argv);
int command_info(int argc, char **argv);

#endif
