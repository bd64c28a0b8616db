// SPDX-License-Identifier: Apache-2.0
// Names and texts of the rules of the TLM-2.0 base protocol (IEEE 1666-2011, clauses 11, 14 and 15).
#include "backend/systemc/protocol_rules.h"

namespace duplex {

namespace {

struct rule_words {
  protocol_rule rule;  // keeps table and enumeration in one order
  const char *name;
  const char *text;
};

#define RULE(name, text) \
  { protocol_rule::name, #name, text }
constexpr rule_words WORDS[] = {
    RULE(command, "The command is read, write or ignore."),
    RULE(data_pointer, "A read or write has a data pointer."),
    RULE(data_length, "A read or write has at least one byte."),
    RULE(streaming_width, "The streaming width of a read or write is at least one byte."),
    RULE(byte_enable_length, "The byte enables of a read or write are at least one."),
    RULE(byte_enable_value, "Each byte enable is 0x00 or 0xff."),
    RULE(option_initial,
         "The payload option is minimum; of debug and direct memory requests it may be full."),
    RULE(option_kept, "The payload option stays as it is, but where it is full it may become accepted."),
    RULE(response_initial, "The initiator sets the response to incomplete."),
    RULE(dmi_hint_initial, "The initiator clears the hint that direct memory access is allowed."),
    RULE(response_set, "A response carries a status other than incomplete."),
    RULE(response_value, "The response status is one of the standard's."),
    RULE(response_kept, "The response status does not change behind BEGIN_RESP."),
    RULE(byte_enable_error, "Only a payload with byte enables is answered by a byte enable error."),
    RULE(address_range, "An access beyond the target's addresses is answered by an error."),
    RULE(attributes_kept, "Command, pointers, lengths and streaming width stay as they are in flight."),
    RULE(write_data_kept, "The data of a write stay as they are in flight."),
    RULE(byte_enables_kept, "The byte enables stay as they are in flight."),
    RULE(disabled_bytes_kept, "A read leaves the bytes that are not enabled."),
    RULE(payload_in_flight, "A payload in flight is not passed again."),
    RULE(mixed_interfaces, "A payload is on the blocking or on the non-blocking interface, not on both."),
    RULE(memory_manager, "A payload of the non-blocking interface has a memory manager."),
    RULE(manager_kept, "Who gives a payload a memory manager takes it away again."),
    RULE(extension_cleared, "Without a memory manager, who adds an extension takes it away again."),
    RULE(reference_count, "A payload with a memory manager is held until its transaction ends."),
    RULE(phase_value, "The phase is not UNINITIALIZED_PHASE."),
    RULE(phase_direction, "Initiators send BEGIN_REQ and END_RESP, targets END_REQ and BEGIN_RESP."),
    RULE(phase_order, "Phases come in their order, each at most once."),
    RULE(request_exclusion, "A request begins when the one before has ended."),
    RULE(response_exclusion, "A response begins when the one before has ended."),
    RULE(sync_value, "The value that is returned is one that the phase allows."),
    RULE(updated_phase, "TLM_UPDATED comes with a phase that may follow."),
    RULE(accepted_unchanged, "With TLM_ACCEPTED, phase and time stay as they were."),
    RULE(negative_time, "The annotated time is not negative."),
    RULE(time_order, "The time of a transaction, now and annotation, does not go back."),
    RULE(no_wait, "Non-blocking, debug and direct memory calls take no simulated time."),
    RULE(thread_process, "The blocking interface is called from a thread process."),
    RULE(debug_count, "The debug interface returns at most the length of the payload."),
    RULE(dmi_command, "Direct memory access is asked for to read or to write."),
    RULE(dmi_initial, "The initiator passes a descriptor of direct memory access as init() leaves it."),
    RULE(dmi_pointer, "Granted direct memory access has a pointer."),
    RULE(dmi_range,
         "A region of direct memory access has its end behind its start, holds the address that was "
         "asked for, and lies in the target's addresses if it is granted."),
    RULE(dmi_access, "Granted direct memory access covers the command that asked for it."),
    RULE(dmi_latency, "The latencies of direct memory access are not negative."),
    RULE(invalidated_range, "An invalidated range has its end behind its start."),
    RULE(invalidated_reentry, "Nobody asks for direct memory access inside an invalidation."),
    RULE(dmi_stale, "Bytes are accessed by pointer while a grant of them stands."),
};
#undef RULE

constexpr bool in_order() {
  for (unsigned i = 0; i < PROTOCOL_RULES; i++)
    if (unsigned(WORDS[i].rule) != i) return false;
  return true;
}
static_assert(sizeof WORDS / sizeof *WORDS == PROTOCOL_RULES && in_order(), "a row for each rule, in order");

}  // namespace

const char *name_of(protocol_rule rule) { return WORDS[unsigned(rule)].name; }
const char *text_of(protocol_rule rule) { return WORDS[unsigned(rule)].text; }

std::string message_of(const protocol_violation &violation) {
  return violation.where + ": " + name_of(violation.rule) + ": " + violation.detail +
         "; expected: " + text_of(violation.rule);
}

}  // namespace duplex
