/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls in one: POST /v1/…/batch. Each item is a call of its own below the batch's collection,
 * in a transaction of its own, in their order: route, roles, scope, step-up, If-Match, body and
 * Idempotency-Key hold as they do alone, and one that fails takes no other with it. A batch that is
 * sent again with its key goes on where it ended: items that were done answer as they did.
 */
#ifndef SERVER_HTTP_BATCH_H
#define SERVER_HTTP_BATCH_H

#include "server/http/http.h"

enum { UD_BATCH_ITEMS = 200 };

/* Body and answer of batch rows. */
extern const struct ud_shape ud_batch_shape, ud_batch_results;

/*
 * Handler of batch rows, on the loop: reads the items, all of their form looked at before the first
 * one runs. UD_E_VALIDATION and UD_E_UNKNOWN_FIELD name the item ("/items/3/method").
 */
ud_handler ud_batch_read;

/* For dispatch.c, on the loop's thread: run the items of a suspended call that ud_batch_read read;
 * it is finished after the last one. */
void ud_batch_start(struct ud_io *io);
/* An item came back from the writer. */
void ud_batch_item_done(struct ud_io *item);

#endif
