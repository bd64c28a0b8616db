// SPDX-License-Identifier: Apache-2.0
// Text of the help in lines of a terminal.
#ifndef DUPLEX_CLI_PARAGRAPH_H
#define DUPLEX_CLI_PARAGRAPH_H

// Prints words from `column` on, where the cursor is; further lines begin there. Ends with a line feed.
void print_words(const char *text, int column);

// Prints the lines of a text: those that begin with blanks as they are, others in lines of a terminal.
void print_paragraphs(const char *text);

// "  name", and what it is from column 32 on.
void print_entry(const char *name, const char *argument, const char *what);

#endif
