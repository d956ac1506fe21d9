/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See wires.h. Answers are read just as far as it takes to know where they end.
 */
#include "wires.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire_identity.h"

/* ---- ours ---- */

static void post(struct ud_buf *out, const char *path, const char *header, const char *body)
{
	ud_buf_printf(out,
		"POST %s HTTP/1.1\r\nHost: bench\r\n%s\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		path, header, strlen(body), body);
}

static const char run_header[] = UD_RUN_HEADER ": 00000000000000000000000000000001";

static void http_say(struct ud_buf *out, enum phase phase, struct worker *w, const char *token)
{
	char body[512], header[256];

	switch (phase) {
	case WAITING:
		post(out, "/v1/agent/poll?wait=25", run_header,
			"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\",\"working\":[]}");
		break;
	case DONE:
		snprintf(body, sizeof(body),
			"{\"subject_id\":\"%s\",\"seq\":%lld,\"outcome\":\"done\",\"result\":{},\"agent_boot\":\"run\"}",
			w->host_id, (long long)w->seq);
		post(out, "/v1/agent/result", run_header, body);
		break;
	case BEAT:
		snprintf(body, sizeof(body),
			"{\"subject_id\":\"%s\",\"seq\":1,\"percent\":50,\"steps\":[]}",
			w->host_id);
		post(out, "/v1/agent/progress", run_header, body);
		break;
	case PUT:
		snprintf(body, sizeof(body), "{\"host_id\":\"%s\"}", w->host_id);
		snprintf(header, sizeof(header), "Authorization: Bearer %s", token);
		post(out, "/v1/jobs", header, body);
		break;
	case HELLO:
	case IDLE:
		break;
	}
}

static int http_hear(const char *text, enum phase phase, struct worker *w, bool *ret_job)
{
	const char *end = strstr(text, "\r\n\r\n"),
		   *length = strcasestr(text, "\r\nContent-Length:");
	long body = length && length < end ? strtol(length + 17, NULL, 10) : 0;
	int status = (int)strtol(text + 9, NULL, 10);

	if (!end || strlen(end + 4) < (size_t)body)
		return 0;
	if (status / 100 != 2) {
		fprintf(stderr, "%s\n", text);
		return -1;
	}
	*ret_job = phase == WAITING && status == 200;
	if (*ret_job) {
		const char *seq = strstr(end, "seq\\\":");

		w->seq = seq ? strtoll(seq + 6, NULL, 10) : 0;
	}
	return (int)(end + 4 - text + body);
}

/* ---- queues ---- */

/* Bytes of the first n lines, or 0. */
static int lines(const char *text, int n)
{
	const char *at = text;

	while (n-- > 0) {
		at = strstr(at, "\r\n");
		if (!at)
			return 0;
		at += 2;
	}
	return (int)(at - text);
}

static void redis_say(struct ud_buf *out, enum phase phase, struct worker *w, const char *token)
{
	(void)token;
	if (phase == WAITING)
		ud_buf_printf(out, "BLPOP q%d 0\r\n", w->number);
	else if (phase == PUT)
		ud_buf_printf(out, "RPUSH q%d {verb:logs,host:host-%d}\r\n", w->number, w->number);
}

static int redis_hear(const char *text, enum phase phase, struct worker *w, bool *ret_job)
{
	(void)w;
	*ret_job = phase == WAITING;
	if (*text == '-')
		return -1;
	return lines(text, phase == WAITING ? 5 : 1);
}

static void beanstalkd_say(
	struct ud_buf *out, enum phase phase, struct worker *w, const char *token)
{
	(void)token;
	if (phase == HELLO)
		ud_buf_printf(out, "watch t%d\r\nignore default\r\n", w->number);
	else if (phase == WAITING)
		ud_buf_puts(out, "reserve\r\n");
	else if (phase == DONE)
		ud_buf_printf(out, "delete %s\r\n", w->job);
	else if (phase == PUT)
		ud_buf_printf(
			out, "use t%d\r\nput 0 0 60 15\r\n{\"verb\":\"logs\"}\r\n", w->number);
}

static int beanstalkd_hear(const char *text, enum phase phase, struct worker *w, bool *ret_job)
{
	int n = lines(text, phase == DONE ? 1 : 2);

	if (n && phase == WAITING && sscanf(text, "RESERVED %23s", w->job) != 1)
		return -1;
	*ret_job = n && phase == WAITING;
	return n;
}

const struct wire *wire_named(const char *name)
{
	static const struct wire wires[] = {
		{ "ours", true, http_say, http_hear },
		{ "redis", false, redis_say, redis_hear },
		{ "beanstalkd", false, beanstalkd_say, beanstalkd_hear },
	};

	for (size_t i = 0; i < UD_LEN(wires); i++)
		if (strcmp(wires[i].name, name) == 0)
			return &wires[i];
	return NULL;
}
