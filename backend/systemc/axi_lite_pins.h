// SPDX-License-Identifier: Apache-2.0
// The AXI4-Lite pins of a stack: the signals, and the ports of who drives, serves or watches them. Names are
// those of rtl/stack/stack.v, `_i` and `_o` as the stack sees them.
#ifndef DUPLEX_SYSTEMC_AXI_LITE_PINS_H
#define DUPLEX_SYSTEMC_AXI_LITE_PINS_H

#include <cstdint>
#include <systemc>

namespace duplex {

// IN and OUT: a port or signal for a pin that the stack reads, and that it drives.
template <template <class> class IN, template <class> class OUT>
struct axi_lite_pins {
  IN<bool> axi_awvalid_i{"axi_awvalid_i"}, axi_wvalid_i{"axi_wvalid_i"}, axi_bready_i{"axi_bready_i"};
  IN<bool> axi_arvalid_i{"axi_arvalid_i"}, axi_rready_i{"axi_rready_i"};
  IN<uint16_t> axi_awaddr_i{"axi_awaddr_i"}, axi_araddr_i{"axi_araddr_i"};
  IN<uint32_t> axi_wdata_i{"axi_wdata_i"};
  IN<uint8_t> axi_wstrb_i{"axi_wstrb_i"};
  OUT<bool> axi_awready_o{"axi_awready_o"}, axi_wready_o{"axi_wready_o"}, axi_bvalid_o{"axi_bvalid_o"};
  OUT<bool> axi_arready_o{"axi_arready_o"}, axi_rvalid_o{"axi_rvalid_o"};
  OUT<uint8_t> axi_bresp_o{"axi_bresp_o"}, axi_rresp_o{"axi_rresp_o"};
  OUT<uint32_t> axi_rdata_o{"axi_rdata_o"};

  // Each pin of this one with that of the other.
  template <class Other, class Function>
  void with(Other &other, Function function) {
    function(axi_awvalid_i, other.axi_awvalid_i);
    function(axi_wvalid_i, other.axi_wvalid_i);
    function(axi_bready_i, other.axi_bready_i);
    function(axi_arvalid_i, other.axi_arvalid_i);
    function(axi_rready_i, other.axi_rready_i);
    function(axi_awaddr_i, other.axi_awaddr_i);
    function(axi_araddr_i, other.axi_araddr_i);
    function(axi_wdata_i, other.axi_wdata_i);
    function(axi_wstrb_i, other.axi_wstrb_i);
    function(axi_awready_o, other.axi_awready_o);
    function(axi_wready_o, other.axi_wready_o);
    function(axi_bvalid_o, other.axi_bvalid_o);
    function(axi_arready_o, other.axi_arready_o);
    function(axi_rvalid_o, other.axi_rvalid_o);
    function(axi_bresp_o, other.axi_bresp_o);
    function(axi_rresp_o, other.axi_rresp_o);
    function(axi_rdata_o, other.axi_rdata_o);
  }
  template <class Signals>
  void bind(Signals &signals) {
    with(signals, [](auto &port, auto &signal) { port.bind(signal); });
  }
};

template <class T>
using axi_signal = sc_core::sc_signal<T>;
using axi_lite_signals = axi_lite_pins<axi_signal, axi_signal>;
using axi_lite_slave_ports = axi_lite_pins<sc_core::sc_in, sc_core::sc_out>;
using axi_lite_master_ports = axi_lite_pins<sc_core::sc_out, sc_core::sc_in>;
using axi_lite_watcher_ports = axi_lite_pins<sc_core::sc_in, sc_core::sc_in>;

}  // namespace duplex
#endif
