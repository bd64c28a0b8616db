// The firmware on the RV32 controller: runs the job in the mailbox and reports there.
#include "firmware/port/rv32/mailbox.h"

static struct mailbox mailbox __attribute__((section(".mailbox")));

int main(void) {
  const struct hal hal = {0};
  volatile struct mailbox *box = &mailbox;  // the host wrote it
  struct firmware_report report = {0};
  if (box->kind == MAILBOX_GEMM) firmware_gemm(&hal, &mailbox.gemm, &report);
  if (box->kind == MAILBOX_EXPERT) firmware_expert(&hal, &mailbox.expert, &report);
  if (box->kind == MAILBOX_ATTENTION) firmware_attention(&hal, &mailbox.attention, &report);
  mailbox.report = report;
  return 0;
}
