rtl/common/ram_1r1w.v
rtl/gemm/operand.v
rtl/gemm/dot64.v
rtl/gemm/accumulator.v
rtl/gemm/gemm.v
rtl/gemm/round.v
