/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says of itself: health, version, metrics, and the pages of problems.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/recovery.h"
#include "api/replications.h"
#include "base/crypto.h"
#include "db/events.h"
#include "db/recovery.h"
#include "server/http/forms.h"
#include "server/http/server.h"
#include "server/metrics/metrics.h"

static enum ud_code healthz(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_buf_puts(&rq->out, "{\"status\":\"ok\"}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* Ready = the database answers; the read that led here has shown that, this one shows its schema.
 */
static enum ud_code readyz(struct ud_ctx *cx, struct ud_request *rq)
{
	bool recovering = false;
	int64_t last;

	UD_TRY(ud_event_last(cx, &last));
	UD_TRY(ud_recovery_on(cx, &recovering));
	ud_buf_puts(&rq->out, "{\"status\":\"ready\"");
	if (recovering)
		UD_TRY(ud_recovery_word(cx, &rq->out));
	ud_buf_putc(&rq->out, '}');
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code version(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_buf_printf(
		&rq->out, "{\"object\":\"version\",\"version\":\"%s\",\"api\":\"v1\"}", UD_VERSION);
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* Is address one of a comma-separated list? */
static bool listed(const char *list, const char *address)
{
	size_t n = strlen(address);

	for (; list && *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ',')) {
		list += strspn(list, " ");
		if (strncmp(list, address, n) == 0 && strchr(", ", list[n]))
			return true; /* strchr also finds the end */
	}
	return false;
}

static enum ud_code metrics(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_server_settings *s = &rq->server->settings;
	const char *bearer = ud_request_header(rq, "Authorization");
	bool token = bearer && s->metrics_token && strncmp(bearer, "Bearer ", 7) == 0 &&
		ud_equal_text(bearer + 7, s->metrics_token);

	if (!token && !listed(s->metrics_allow, rq->scope.address) && *rq->scope.address)
		return ud_fail(cx, UD_E_UNAUTHENTICATED, NULL,
			"Metrics need the token of [metrics] token_file or an allowed address.");
	ud_metrics_write(rq->server->metrics, ud_database_stats(rq->server->db),
		ud_database_engine(rq->server->db), &rq->out);
	UD_TRY(ud_replications_metrics(cx, &rq->out));
	return ud_answer_text(cx, rq, 200, "text/plain; version=0.0.4; charset=utf-8");
}

/* One page per code, made from the table; nothing a caller sent is shown. */
static enum ud_code problem_page(struct ud_ctx *cx, struct ud_request *rq)
{
	enum ud_code code = ud_error_by_name(rq->arg[0]);

	if (code == UD_CODE_COUNT || code == UD_OK)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no problem of this name.");
	const struct ud_error_info *i = ud_error_info(code);
	struct ud_buf *b = &rq->out;

	ud_buf_puts(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
	ud_page_text(b, i->title);
	ud_buf_printf(b, "</title></head>\n<body><main><h1>%s</h1><p>", i->name);
	ud_page_text(b, i->title);
	ud_buf_printf(b, ".</p><p>Status %d. %s</p>", i->status,
		i->retryable ? "The same request may succeed later."
			     : "Repeating the same request does not help.");
	if (i->remedy) {
		ud_buf_puts(b, "<p>");
		ud_page_text(b, i->remedy);
		ud_buf_puts(b, "</p>");
	}
	ud_buf_puts(b, "</main></body></html>\n");
	return ud_answer_text(cx, rq, 200, "text/html; charset=utf-8");
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/healthz",         "healthz",       UD_ANYONE, NULL, UD_OUTSIDE, .answer = &ud_health_shape, .handle = healthz, .about = "Tell that the process is alive." },
	{ "GET", "/readyz",          "readyz",        UD_ANYONE, NULL, UD_OUTSIDE, .answer = &ud_readiness_shape, .handle = readyz, .about = "Tell that the database answers, and whether a restored server still waits for its hosts." },
	{ "GET", "/metrics",         "metrics",       UD_ANYONE, NULL, UD_OUTSIDE, .media = "text/plain", .handle = metrics, .about = "Figures in Prometheus' text format; for allowed addresses or the metrics token." },
	{ "GET", "/v1/version",      "version",       UD_ANYONE, NULL, 0,          .answer = &ud_version_shape, .handle = version, .about = "Version of the server." },
	{ "GET", "/problems/{code}", "problems.show", UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML, .handle = problem_page, .about = "Explain one problem code to people." },
};
/* clang-format on */
const struct ud_routes ud_api_plumbing = { "Plumbing", rows, UD_LEN(rows) };
