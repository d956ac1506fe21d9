/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per route: answers by class of status, and one histogram of durations. Atomic counters, no lock.
 */
#include "server/metrics/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"

enum { CLASSES = 5 };

static const int64_t bounds_us[] = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	1000000, 5000000 };

struct route_counters {
	const struct ud_route *route; /* NULL: requests that met none */
	_Atomic int64_t answers[CLASSES], buckets[UD_LEN(bounds_us)], sum_us;
};

struct ud_metrics {
	size_t count;
	_Atomic int64_t streams;
	struct route_counters routes[];
};

struct ud_metrics *ud_metrics_new(const struct ud_routes *const *routes)
{
	size_t n = 1;

	for (const struct ud_routes *const *p = routes; *p; p++)
		n += (*p)->count;
	struct ud_metrics *m = ud_malloc(sizeof(*m) + n * sizeof(m->routes[0]));

	m->count = 1;
	for (const struct ud_routes *const *p = routes; *p; p++)
		for (size_t i = 0; i < (*p)->count; i++)
			m->routes[m->count++].route = &(*p)->rows[i];
	return m;
}

void ud_metrics_release(struct ud_metrics **metrics)
{
	ud_free(*metrics);
	*metrics = NULL;
}

static struct route_counters *find(struct ud_metrics *m, const struct ud_route *route)
{
	for (size_t i = 1; i < m->count; i++)
		if (m->routes[i].route == route)
			return &m->routes[i];
	return &m->routes[0];
}

/* Failures and changes are worth a line each; reads only when somebody debugs. */
static void log_request(const struct ud_request *rq, int64_t us)
{
	char status[16], duration[24];
	bool read = strcmp(rq->method, "GET") == 0 && rq->status < 500;

	snprintf(status, sizeof(status), "%d", rq->status);
	snprintf(duration, sizeof(duration), "%lld", (long long)us);
	ud_log(read ? UD_LOG_DEBUG : UD_LOG_INFO, "request", "req", rq->cx.request_id, "method",
		rq->method, "route", rq->route ? rq->route->path : "-", "status", status, "us",
		duration, "actor", rq->scope.id ? rq->scope.id : "-", "customer",
		rq->scope.customer_id ? rq->scope.customer_id : "-", rq->trace_id ? "trace" : NULL,
		rq->trace_id, NULL);
}

void ud_metrics_request(struct ud_metrics *m, const struct ud_request *rq, int64_t started_us)
{
	struct route_counters *c = find(m, rq->route);
	int64_t us = ud_stopwatch_us() - started_us;
	int class = rq->status / 100 - 1;

	atomic_fetch_add_explicit(
		&c->answers[class < 0 || class >= CLASSES ? 4 : class], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->sum_us, us, memory_order_relaxed);
	for (size_t i = 0; i < UD_LEN(bounds_us); i++)
		if (us <= bounds_us[i]) {
			atomic_fetch_add_explicit(&c->buckets[i], 1, memory_order_relaxed);
			break;
		}
	log_request(rq, us);
}

void ud_metrics_streams(struct ud_metrics *m, int change)
{
	atomic_fetch_add(&m->streams, change);
}

static void write_labels(struct ud_buf *b, const struct ud_route *r)
{
	ud_buf_printf(b, "{route=\"%s\",method=\"%s\"", r ? r->path : "-", r ? r->method : "-");
}

static int64_t answers_of(const struct route_counters *c)
{
	int64_t n = 0;

	for (int i = 0; i < CLASSES; i++)
		n += atomic_load(&c->answers[i]);
	return n;
}

static void write_histogram(struct ud_buf *b, const struct route_counters *c)
{
	int64_t so_far = 0, total = answers_of(c);

	if (!total)
		return;
	for (size_t i = 0; i < UD_LEN(bounds_us); i++) {
		so_far += atomic_load(&c->buckets[i]);
		ud_buf_puts(b, "understudy_http_request_duration_seconds_bucket");
		write_labels(b, c->route);
		ud_buf_printf(
			b, ",le=\"%g\"} %lld\n", (double)bounds_us[i] / 1e6, (long long)so_far);
	}
	ud_buf_puts(b, "understudy_http_request_duration_seconds_bucket");
	write_labels(b, c->route);
	ud_buf_printf(b, ",le=\"+Inf\"} %lld\n", (long long)total);
	ud_buf_puts(b, "understudy_http_request_duration_seconds_sum");
	write_labels(b, c->route);
	ud_buf_printf(b, "} %.6f\n", (double)atomic_load(&c->sum_us) / 1e6);
	ud_buf_puts(b, "understudy_http_request_duration_seconds_count");
	write_labels(b, c->route);
	ud_buf_printf(b, "} %lld\n", (long long)total);
}

static void write_one(
	struct ud_buf *b, const char *name, const char *type, const char *help, int64_t value)
{
	ud_buf_printf(b, "# HELP understudy_%s %s\n# TYPE understudy_%s %s\nunderstudy_%s %lld\n",
		name, help, name, type, name, (long long)value);
}

void ud_metrics_write(
	struct ud_metrics *m, struct ud_database_stats db, const char *engine, struct ud_buf *b)
{
	ud_buf_printf(b,
		"# HELP understudy_build_info Version of the server and engine of its database.\n"
		"# TYPE understudy_build_info gauge\nunderstudy_build_info{version=\"%s\",engine=\"%s\"} 1\n",
		UD_VERSION, engine);
	ud_buf_puts(b,
		"# HELP understudy_http_requests_total Answers by route and class of status.\n"
		"# TYPE understudy_http_requests_total counter\n");
	for (size_t i = 0; i < m->count; i++)
		for (int c = 0; c < CLASSES; c++) {
			int64_t n = atomic_load(&m->routes[i].answers[c]);

			if (!n)
				continue;
			ud_buf_puts(b, "understudy_http_requests_total");
			write_labels(b, m->routes[i].route);
			ud_buf_printf(b, ",code=\"%dxx\"} %lld\n", c + 1, (long long)n);
		}
	ud_buf_puts(b,
		"# HELP understudy_http_request_duration_seconds Time from the first byte of the request's line to the answer.\n"
		"# TYPE understudy_http_request_duration_seconds histogram\n");
	for (size_t i = 0; i < m->count; i++)
		write_histogram(b, &m->routes[i]);
	write_one(b, "event_streams", "gauge", "Event streams open just now.",
		atomic_load(&m->streams));
	write_one(b, "db_commits_total", "counter", "Groups of writes committed.", db.commits);
	write_one(b, "db_writes_total", "counter", "Writes in those groups.", db.writes);
	write_one(b, "db_write_failures_total", "counter", "Writes that failed on our side.",
		db.failures);
	write_one(b, "db_writes_queued", "gauge", "Writes waiting for the writer.", db.queued);
	write_one(b, "db_checkpoints_total", "counter", "Checkpoints of the write-ahead log.",
		db.checkpoints);
}
