/*
 * txrep_run.h - one message as TxRep goes through it: settings, lists, look-ups
 *
 * Owns: struct txrep_settings, struct txrep_run.  Data: txrep.c (who sent it, in which order) ->
 * txrep_look_up() -> store/reputation.h -> tags, deltas.
 */
#ifndef WINNOW_PLUGINS_TXREP_RUN_H
#define WINNOW_PLUGINS_TXREP_RUN_H

#include "plugins/senders.h"

struct txrep_settings {
	struct sender_settings list;
	double autolearn, dilution_factor, expiry_days, factor, learn_bonus, learn_penalty;
	double report_details, user2global_ratio;
	double weight_domain, weight_email, weight_email_ip, weight_helo, weight_ip;
	double welcomelist_out;
	bool use_txrep, uses_spf, tracks_messages;
};

/* The plugin's table, of txrep_conf.c. */
enum { TXREP_DIRECTIVES = 29 };
extern const struct directive txrep_directives[TXREP_DIRECTIVES];

enum txrep_identity {
	TXREP_EMAIL_IP,
	TXREP_EMAIL,
	TXREP_DOMAIN,
	TXREP_IP,
	TXREP_HELO,
	TXREP_MSG_ID
};

/* A user's list and everybody's, or one list alone. */
enum txrep_list { TXREP_USER, TXREP_GLOBAL, TXREP_PARTS };

struct txrep_run {
	struct scan *scan;
	const struct txrep_settings *settings;
	struct reputation *parts[TXREP_PARTS]; /* GLOBAL NULL: one list, which is USER */
	enum txrep_list in_hand;               /* what a recipient is entered into */
	bool is_begun;
	bool has_list; /* the reference has one open: where it does not, recipients are left out */
	bool has_relays; /* who forgets a message does not look at its way */
	bool is_learning, is_forgetting, is_reentered;
	double learned; /* points that are taught; is_learning */
	double points;  /* of the message, or what takes their place */
	double total_weight;
	enum status status;
	struct error error;

	struct reputation_key key; /* of the look-up in hand */
	struct reputation_entry entry;

	struct slice message_id, date, from, domain, helo, ip, signed_by;
};

struct txrep_look {
	enum txrep_identity identity;
	struct slice id, ip, signed_by;
	bool has_points;
	double points;
};

/* As the lists know it. */
struct reputation_key txrep_make_key(const struct txrep_run *run, struct slice id, struct slice ip,
                                     struct slice signed_by);
/* The first thing that goes wrong ends the work. */
void txrep_take_status(struct txrep_run *run, enum status status);
/* To the entry in hand. */
void txrep_add_score(struct txrep_run *run, enum txrep_list part, double score);
void txrep_remove_entry(struct txrep_run *run, enum txrep_list part);
/* Weighted; of both lists where there are two.  What it finds is run->entry. */
double txrep_look_up(struct txrep_run *run, const struct txrep_look *look);
/* Somebody of ours sends to the world. */
bool txrep_is_outgoing(const struct txrep_run *run);

#endif
