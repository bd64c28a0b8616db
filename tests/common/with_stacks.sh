#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command that calls `duplex` many times on the RTL: make looks at all sources once a stack, not once a job.
# usage: tests/common/with_stacks.sh BUILD "CHANNELS..." COMMAND...
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source "$(dirname "$0")/stacks.sh"
# shellcheck disable=SC2086
take_stacks "$1" "$dir" $2 || { echo "with_stacks: no stacks"; exit 1; }
"${@:3}"
