// The DRAM timing preset that is compiled in; another one by -DDUPLEX_DRAM_PRESET=\"dram_NAME.vh\".
`ifndef DUPLEX_DRAM_VH
`define DUPLEX_DRAM_VH
`ifndef DUPLEX_DRAM_PRESET
`define DUPLEX_DRAM_PRESET "dram_hbm3_5200.vh"
`endif
`include `DUPLEX_DRAM_PRESET
`endif
