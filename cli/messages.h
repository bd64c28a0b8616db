// SPDX-License-Identifier: Apache-2.0
// One line on standard error for each failure.
//
// Exit status: 0; 2 bad input or usage; 1 anything else.
#ifndef DUPLEX_CLI_MESSAGES_H
#define DUPLEX_CLI_MESSAGES_H

enum { EXIT_GOOD = 0, EXIT_ERROR = 1, EXIT_BAD_INPUT = 2 };

// Prints one line "duplex: <message>", control characters as '?', and returns the status.
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Text before every message from now on, "" for none.
void fail_context(const char *text);

#endif
