/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads for what takes tens of milliseconds of CPU (password hashing), so that neither a
 * loop nor the writer waits for it. The queue is bounded.
 */
#ifndef SERVER_HTTP_SLOW_H
#define SERVER_HTTP_SLOW_H

#include "server/http/http.h"

struct ud_slow;
struct ud_io;

/* Start the threads. Release with ud_slow_release before the database goes. */
enum ud_code ud_slow_start(struct ud_ctx *cx, ud_database *db, struct ud_slow **ret) UD_USE;
void ud_slow_release(struct ud_slow **slow);
/* Run the route's prepare, then post the write (or finish with the problem). False: the queue is
 * full. Any thread. */
bool ud_slow_post(struct ud_slow *slow, struct ud_io *io) UD_USE;

#endif
