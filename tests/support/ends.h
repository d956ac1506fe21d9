/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a replication in one process: an authority with two agents, a receiver with a store,
 * a relay between, a sender, and the disks of a VM.
 */
#ifndef TESTS_SUPPORT_ENDS_H
#define TESTS_SUPPORT_ENDS_H

#include "agent/replication/receiver.h"
#include "base/x509.h"
#include "support/relay.h"
#include "support/stores.h"

struct ends_authority {
	const char *root, *root_key, *agents, *agents_key, *servers, *servers_key;
};
/* A root and its two authorities, valid around cx->now_ms. */
struct ends_authority ends_authority(struct ud_ctx *cx);
/* A certificate of the kind, its chain and its key in one text, as in identity.pem. valid_ms =
 * until when. */
const char *ends_identity(struct ud_ctx *cx, const struct ends_authority *a, enum ud_x509_kind kind,
	const char *name, int64_t valid_ms);

enum { ENDS_POINTS = 64 };

struct ends {
	struct ud_ctx *cx;
	struct ends_authority authority;
	struct ud_store_settings store_settings;
	ud_store *store;
	ud_receiver *receiver;
	struct relay *relay;
	struct ud_sender_settings settings; /* of the sender: to the relay */
	ud_sender *sender;
	struct disks *disks;           /* as they are now */
	struct disks *at[ENDS_POINTS]; /* as they were at each point that was shipped */
	const char *id[ENDS_POINTS];
	int points;
	enum ud_code refuse;       /* what the receiver says to a hello; UD_OK = come in */
	void (*asked)(void *data); /* called before the store is given; NULL = nothing */
	void *asked_data;
	char peer[UD_PEER_NAME]; /* who came last, and by what it was proved */
	enum ud_peer_auth auth;
	char confirmed[80]; /* "POINT AGE" that it confirmed last */
};

/* cmocka's setup and teardown: *state is a struct ends *. */
int ends_begin(void **state);
int ends_end(void **state);
/* The sender anew: a restart, or after settings were changed. */
void ends_sender(struct ends *e);
/* The target anew. */
void ends_restart_target(struct ends *e);
/* Ship the disks as they are as a new point. retry: the point before last is tried again. On
 * success nothing is dirty any more. */
enum ud_code ends_ship(struct ends *e, enum ud_ship how, struct ud_shipped *ret);
/* Try a given id. */
enum ud_code ends_ship_id(struct ends *e, enum ud_ship how, const char *id, struct ud_shipped *ret);
/* Every point of the target is what was shipped. */
void ends_check(struct ends *e);

#endif
