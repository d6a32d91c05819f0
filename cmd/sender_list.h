/*
 * sender_list.h - addresses entered into the lists of AWL and TxRep by command
 *
 * Source: add_address_to_welcomelist() and friends of 4.0.1.  Data: an address, or all those that a
 * message names -> plugins/awl.h, plugins/txrep.h -> a line on standard output for each.
 */
#ifndef WINNOW_CMD_SENDER_LIST_H
#define WINNOW_CMD_SENDER_LIST_H

#include "check/check.h"
#include "plugins/senders.h"

void sender_list_address(struct check *check, enum sender_operation operation,
                         struct slice address);
/* SENDER_BLOCKLIST: the authors alone; else recipients and addresses in the text too. */
void sender_list_message(struct check *check, enum sender_operation operation);

#endif
