// SPDX-License-Identifier: Apache-2.0
// The rules of the TLM-2.0 base protocol that duplex::protocol_checker checks: a name and a sentence each.
#ifndef DUPLEX_SYSTEMC_PROTOCOL_RULES_H
#define DUPLEX_SYSTEMC_PROTOCOL_RULES_H

#include <string>
#include <systemc>

namespace duplex {

// In the order of the table of docs/protocol_checker.md.
enum class protocol_rule : unsigned {
  command,
  data_pointer,
  data_length,
  streaming_width,
  byte_enable_length,
  byte_enable_value,
  option_initial,
  option_kept,
  response_initial,
  dmi_hint_initial,
  response_set,
  response_value,
  response_kept,
  byte_enable_error,
  address_range,
  attributes_kept,
  write_data_kept,
  byte_enables_kept,
  disabled_bytes_kept,
  payload_in_flight,
  mixed_interfaces,
  memory_manager,
  manager_kept,
  extension_cleared,
  reference_count,
  phase_value,
  phase_direction,
  phase_order,
  request_exclusion,
  response_exclusion,
  sync_value,
  updated_phase,
  accepted_unchanged,
  negative_time,
  time_order,
  no_wait,
  thread_process,
  debug_count,
  dmi_command,
  dmi_initial,
  dmi_pointer,
  dmi_range,
  dmi_access,
  dmi_latency,
  invalidated_range,
  invalidated_reentry,
  dmi_stale,
};
constexpr unsigned PROTOCOL_RULES = unsigned(protocol_rule::dmi_stale) + 1;

const char *name_of(protocol_rule rule);
// What the rule demands: one sentence.
const char *text_of(protocol_rule rule);

struct protocol_violation {
  protocol_rule rule;
  std::string where;   // hierarchical name of the checker
  std::string detail;  // what was seen
  sc_core::sc_time time;
};

// "where: rule: what was seen; expected: what the rule demands".
std::string message_of(const protocol_violation &violation);

}  // namespace duplex
#endif
