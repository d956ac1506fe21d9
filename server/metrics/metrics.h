/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the server in Prometheus' text format (version 0.0.4). Any thread.
 */
#ifndef SERVER_METRICS_METRICS_H
#define SERVER_METRICS_METRICS_H

#include "server/http/http.h"

struct ud_metrics;

/* Counters for every row of the routes. routes must outlive them. */
struct ud_metrics *ud_metrics_new(const struct ud_routes *const *routes);
void ud_metrics_release(struct ud_metrics **metrics);
/* Count an answer that is about to leave, and write the request's line to the log. started_us:
 * monotonic. */
void ud_metrics_request(
	struct ud_metrics *metrics, const struct ud_request *rq, int64_t started_us);
/* Event streams open just now: add 1 or -1. */
void ud_metrics_streams(struct ud_metrics *metrics, int change);
/* Append the exposition text. */
void ud_metrics_write(struct ud_metrics *metrics, struct ud_database_stats db, const char *engine,
	struct ud_buf *out);

#endif
