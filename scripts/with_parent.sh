#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command that ends, with all that it started, when who called it ends, however that happens.
# usage: scripts/with_parent.sh COMMAND...   in a process group of its own, standard input a pipe whose other end only the caller holds
exec 3<&0 </dev/null
"$@" 3<&- &
command=$!
log=$(readlink /proc/$$/fd/1)  # of interest to the caller alone
{ read -r _ <&3; [ -f "$log" ] && rm -f "$log"; kill -KILL 0; } &
watch=$!
exec 3<&-
wait $command
status=$?
# The caller may end before it looks again.
[ $status != 0 ] || [ ! -f "$log" ] || rm -f "$log"
kill $watch
exit $status
