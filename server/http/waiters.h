/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for one thing (rq->wait_key), so that a wake-up costs what it wakes and not
 * what waits. A woken request goes to its own loop, which runs its handler again. For server/http.
 */
#ifndef SERVER_HTTP_WAITERS_H
#define SERVER_HTTP_WAITERS_H

#include "server/http/io.h"

/* Nobody waits. Release with ud_waiters_release. */
struct ud_waiters *ud_waiters_new(void);
/* Takes NULL. */
void ud_waiters_release(struct ud_waiters **waiters);
/* How many wakes there were. Read it before the snapshot that a handler looks for news in. */
uint64_t ud_waiters_count(const struct ud_waiters *waiters);
/*
 * Let a suspended request wait under its key. False when somebody was woken under it since
 * rq->wakes was read: then the news may be newer than the snapshot, and the handler runs again.
 */
bool ud_waiters_add(struct ud_waiters *waiters, struct ud_io *io);
/* Take a request out, on its loop's thread. False when a wake took it first: then it is on its way
 * to the loop already. */
bool ud_waiters_take(struct ud_waiters *waiters, struct ud_io *io);
/* Hand those who wait under the key to their loops. Any thread. */
void ud_waiters_wake(struct ud_waiters *waiters, const char *key);

#endif
