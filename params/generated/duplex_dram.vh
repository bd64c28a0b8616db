// SPDX-License-Identifier: Apache-2.0
// The DRAM timing preset that is compiled in; another one by -DDUPLEX_DRAM_PRESET=\"dram_NAME.vh\", another rank switch (tCK) by
// -DDUPLEX_RANK_SWITCH=n.
`ifndef DUPLEX_DRAM_VH
`define DUPLEX_DRAM_VH
`ifndef DUPLEX_DRAM_PRESET
`define DUPLEX_DRAM_PRESET "dram_hbm3_5200.vh"
`endif
`include `DUPLEX_DRAM_PRESET
`ifdef DUPLEX_RANK_SWITCH
`undef DRAM_NRTR
`define DRAM_NRTR `DUPLEX_RANK_SWITCH
`endif
`endif
