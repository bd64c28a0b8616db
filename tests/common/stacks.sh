# SPDX-License-Identifier: Apache-2.0
# For scripts that call the command many times on the RTL: make looks at all sources once a stack, not once a job.
# usage: source tests/common/stacks.sh; take_stacks BUILD FOLDER CHANNELS...
# One small job on each number of channels builds what is missing; FOLDER gets links to the stacks, which the command then takes as
# they are, since there is nothing to build them with.
take_stacks() {
  local build=$1 folder=$2 channels
  mkdir -p "$folder" || return
  "$build/duplex" random --shape 1,1 --seed 1 --dist normal:1 --out "$folder/one.npy" || return
  for channels in "${@:3}"; do
    "$build/duplex" gemm --x "$folder/one.npy" --w "$folder/one.npy" --backend rtl --channels "$channels" --out "$folder/y.npy" &&
      ln -sf "$(realpath "$build/rtl/stack_$channels.so")" "$folder/" || return
  done
  export DUPLEX_RTL_DIR=$folder
}
