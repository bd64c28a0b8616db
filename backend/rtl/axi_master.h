// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite master, 32 bit, one access at a time, on the pins of the Verilated stack.
//
// A master may raise address and data of a write in any order, and may keep the slave waiting on every
// response; a slave has to work with all of it. With a seed this master draws its delays at random, 0 to 3
// clocks each; without, it waits for nothing. Signals keep their value from `valid` to `ready`, as the
// protocol demands.
#ifndef DUPLEX_AXI_MASTER_H
#define DUPLEX_AXI_MASTER_H

#include <cstdint>

#include "duplex/random.h"

namespace rtl {

constexpr unsigned AXI_CLOCKS_MAX = 10000;  // longest register access

enum AxiResponse { AXI_OKAY = 0, AXI_SLVERR = 2 };

template <class Model>
class AxiMaster {
 public:
  explicit AxiMaster(Model &model) : model_(model) {}

  void random_delays(uint64_t seed) {
    random_ = true;
    duplex_random_seed(&draw_, seed, 0);
  }

  void start_write(uint32_t address, uint32_t data) {
    model_.axi_awaddr_i = address;
    model_.axi_wdata_i = data;
    model_.axi_wstrb_i = 0xf;
    open(address_, delay());
    open(write_data_, delay());
    open(write_response_, delay());
    busy_ = true;
  }
  void start_read(uint32_t address) {
    model_.axi_araddr_i = address;
    open(read_address_, delay());
    open(read_response_, delay());
    busy_ = true;
  }
  // The slave is in reset: the access is given up.
  void give_up() {
    address_ = write_data_ = write_response_ = read_address_ = read_response_ = Handshake();
    busy_ = false;
    response_ = AXI_SLVERR;
  }
  bool busy() const { return busy_; }
  unsigned response() const { return response_; }
  uint32_t data() const { return data_; }

  // Sets the inputs of the coming clock.
  void drive() {
    model_.axi_awvalid_i = active(address_);
    model_.axi_wvalid_i = active(write_data_);
    model_.axi_bready_i = active(write_response_);
    model_.axi_arvalid_i = active(read_address_);
    model_.axi_rready_i = active(read_response_);
  }

  // Looks at the outputs before the clock's edge: every pair of valid and ready is one transfer.
  void sample() {
    if (!busy_) return;
    if (model_.axi_awvalid_i && model_.axi_awready_o) address_.open = false;
    if (model_.axi_wvalid_i && model_.axi_wready_o) write_data_.open = false;
    if (model_.axi_bvalid_o && model_.axi_bready_i) finish(write_response_, model_.axi_bresp_o);
    if (model_.axi_arvalid_i && model_.axi_arready_o) read_address_.open = false;
    if (model_.axi_rvalid_o && model_.axi_rready_i) {
      data_ = model_.axi_rdata_o;
      finish(read_response_, model_.axi_rresp_o);
    }
    for (Handshake *handshake :
         {&address_, &write_data_, &write_response_, &read_address_, &read_response_}) {
      if (handshake->wait) handshake->wait--;
    }
  }

 private:
  struct Handshake {
    bool open = false;  // still to be done
    unsigned wait = 0;  // clocks until this side is willing
  };
  static void open(Handshake &handshake, unsigned wait) { handshake = Handshake{true, wait}; }
  static bool active(const Handshake &handshake) { return handshake.open && handshake.wait == 0; }
  unsigned delay() { return random_ ? (unsigned)duplex_random_below(&draw_, 4) : 0; }
  void finish(Handshake &handshake, unsigned response) {
    handshake.open = false;
    response_ = response;
    busy_ = false;
  }

  Model &model_;
  bool random_ = false;
  duplex_random draw_ = {};
  Handshake address_, write_data_, write_response_, read_address_, read_response_;
  bool busy_ = false;
  unsigned response_ = 0;
  uint32_t data_ = 0;
};

}  // namespace rtl
#endif
